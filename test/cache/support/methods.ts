import { Injectable, type Type } from '@nestjs/common';
import { ArgsKeyField, CacheResult, type CacheResultOptions, KeyConstructor } from '../../../lib/index.js';
import { TestApplication } from '../../support/application.js';

/** A method whose body the test writes. */
export interface Method {
  body: (id: number, page?: number) => unknown;
  runs: number;
  call(id: number, page?: number): Promise<any>;
}

/** Partitioned by its first argument. */
export class ById extends KeyConstructor {
  static readonly meta = { namespace: 'things' };
  id = new ArgsKeyField('id', { partition: true });
  page = new ArgsKeyField('page');
}

/** A provider class with one cached method, whose body the test writes. */
export function method(name: string, options: CacheResultOptions = {}): Type<Method> {
  @Injectable()
  class Cached implements Method {
    runs = 0;
    body: Method['body'] = (id) => id;
    @CacheResult({ name, keyConstructor: ById, ...options })
    async call(id: number, page?: number): Promise<unknown> {
      this.runs++;
      return this.body(id, page);
    }
  }
  return Cached;
}

/** Applications of a spec file, closed after each test. */
export class Applications {
  #running: TestApplication[] = [];

  start = async (...settings: Parameters<typeof TestApplication.start>): Promise<TestApplication> => {
    const application = await TestApplication.start(...settings);
    this.#running.push(application);
    return application;
  };

  close = async (): Promise<void> => {
    for (const application of this.#running.splice(0)) await application.close();
  };
}

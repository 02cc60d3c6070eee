import { Injectable, type Provider } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { Transactional } from 'typeorm-transactional';
import { ArgsKeyField, CacheResult, type CacheResultOptions } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';

type Wrap = (method: (...args: unknown[]) => unknown) => (...args: unknown[]) => unknown;

/** Puts another function in place of the method, as decorators for logs, metrics and transactions do. */
function wrapped(wrap: Wrap): MethodDecorator {
  return ((_target: object, _key: string, descriptor: PropertyDescriptor) => {
    descriptor.value = wrap(descriptor.value as never);
  }) as MethodDecorator;
}

const byRest = wrapped((method) => {
  return function (this: unknown, ...args: unknown[]) {
    return method.apply(this, args);
  };
});

const byArguments = wrapped((method) => {
  return function (this: unknown) {
    // eslint-disable-next-line prefer-rest-params
    return method.apply(this, arguments as unknown as unknown[]);
  };
});

function service(options: CacheResultOptions, ...decorators: MethodDecorator[]) {
  @Injectable()
  class Users {
    runs = 0;
    async find(id: number, page: number): Promise<unknown> {
      return [id, page, ++this.runs];
    }
  }
  // As they stand above each other in a source: the last one runs first.
  const all = [CacheResult(options), ...decorators];
  for (const decorate of all.reverse()) {
    const descriptor = Object.getOwnPropertyDescriptor(Users.prototype, 'find')!;
    (decorate as Function)(Users.prototype, 'find', descriptor);
    Object.defineProperty(Users.prototype, 'find', descriptor);
  }
  return Users;
}

describe.each([
  ['rest parameters', byRest],
  ['arguments', byArguments],
])('a cached method that is wrapped with %s', (_, decorator) => {
  it.each([
    ['its name', 'id'],
    ['its index', 0],
  ])('has an argument in its key if the key names it by %s', async (_how, argument) => {
    const Users = service({ ttl: 60, keyConstructor: { id: new ArgsKeyField(argument) } }, decorator);
    const app = await TestApplication.start([Users as Provider]);
    const users = app.get(Users as never) as InstanceType<typeof Users>;
    expect([await users.find(1, 1), await users.find(1, 2), await users.find(2, 1)]).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [2, 1, 2],
    ]);
    await app.close();
  });
});

it('a key under @Transactional() finds arguments by name and by index', () => {
  for (const argument of ['id', 0])
    expect(() =>
      service({ ttl: 60, keyConstructor: { id: new ArgsKeyField(argument) } }, Transactional()),
    ).not.toThrow();
});

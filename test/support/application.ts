import 'reflect-metadata';
import type { LoggerService, Provider, Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { CacheService, RestflowCacheModule, type RestflowCacheOptions } from '../../lib/index.js';
import { ManualClock } from './manual-clock.js';

/** Keeps what was logged. */
export class LogBook implements LoggerService {
  readonly lines: string[] = [];
  readonly warnings: string[] = [];
  readonly errors: string[] = [];

  log(message: string): void {
    this.lines.push(message);
  }
  warn(message: string): void {
    this.warnings.push(message);
  }
  error(message: string): void {
    this.errors.push(message);
  }
  fatal(message: string): void {
    this.errors.push(message);
  }
}

/** A running application with the cache, its time and its log in the test's hands. */
export class TestApplication {
  private constructor(
    readonly module: TestingModule,
    readonly clock: ManualClock,
    readonly log: LogBook,
  ) {}

  static async start(
    providers: Provider[] = [],
    options: RestflowCacheOptions = {},
    imports: NonNullable<Parameters<typeof Test.createTestingModule>[0]['imports']> = [],
  ): Promise<TestApplication> {
    const clock = new ManualClock();
    const log = new LogBook();
    const module = await Test.createTestingModule({
      imports: [RestflowCacheModule.forRoot({ clock, ...options }), ...imports],
      providers,
    })
      .setLogger(log)
      .compile();
    await module.init();
    return new TestApplication(module, clock, log);
  }

  get cache(): CacheService {
    return this.module.get(CacheService);
  }

  get<T>(provider: Type<T>): T {
    return this.module.get(provider, { strict: false });
  }

  close(): Promise<void> {
    return this.module.close();
  }
}

import 'reflect-metadata';
import { Controller, Get, Header, Param } from '@nestjs/common';
import { ArgsKeyField, CacheResponse, CacheResult } from '../../../lib/index.js';

class Money {
  constructor(
    readonly amount: bigint,
    readonly currency: string,
  ) {}
}

const cycle: { name: string; self?: unknown; list: unknown[] } = { name: 'cycle', list: [] };
cycle.self = cycle;
cycle.list.push(cycle.list);

/** Values whose bytes in a shared store are pinned. */
export const VALUES: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  number: 1.5,
  'negative zero': -0,
  bigint: 12345678901234567890n,
  text: 'café 日本 😀',
  'lone surrogate': 'a\ud800b',
  bytes: Buffer.from([0, 1, 254, 255]),
  date: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)),
  list: [1, 'two', [null, undefined, true]],
  'list with a hole': Object.assign([1, 2, 3], { length: 5 }),
  object: { b: 1, a: { nested: ['x'], missing: undefined } },
  'object without a prototype': Object.assign(Object.create(null) as object, { a: 1 }),
  'object with __proto__': JSON.parse('{"__proto__":{"a":1}}') as unknown,
  map: new Map<unknown, unknown>([
    ['a', 1],
    [2, new Date(0)],
  ]),
  set: new Set(['a', 1]),
  cycle,
  instance: new Money(10n, 'EUR'),
  'instances in a list': [new Money(1n, 'EUR'), new Money(2n, 'USD')],
};

const BY_NAME = { name: new ArgsKeyField('name', { partition: true }) };

export class Values {
  @CacheResult({ ttl: 60, keyConstructor: BY_NAME, type: () => Money }) async value(
    name: string,
  ): Promise<unknown> {
    return VALUES[name];
  }
  @CacheResult({ ttl: 60, staleWhileRevalidate: '5m', staleIfError: '1h', tags: ['a tag'] })
  async stale(): Promise<string> {
    return 'stale';
  }
  @CacheResult({ ttl: null }) async forever(): Promise<string> {
    return 'forever';
  }
  @CacheResult({ ttl: 60, lock: 'distributed' }) async locked(): Promise<string> {
    return 'locked';
  }
  @CacheResult(60) async large(): Promise<unknown> {
    return { text: 'compressed '.repeat(20), list: [1, 2, 3] };
  }
}

@Controller()
export class Responses {
  @Get('text/:id') @CacheResponse({ ttl: 60, vary: ['x-tenant'] }) text(@Param('id') id: string): string {
    return `text ${id}`;
  }
  @Get('json') @CacheResponse(60) @Header('X-Own', 'own') json(): unknown {
    return { a: [1, 'é'] };
  }
  @Get('tagged')
  @CacheResponse(60)
  @Header('ETag', '"own"')
  @Header('Cache-Control', 'max-age=9')
  tagged(): string {
    return 'tagged';
  }
  @Get('headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  headers(): string {
    return 'headers';
  }
}

// What answers the request in a Nest application: a cache before the handler (imports, decorators) or in it (`inside`).
import { UseInterceptors } from '@nestjs/common';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { Keyv } from 'keyv';
import { createKeyv } from '@keyv/redis';
import { CacheResponse, memoryStore, RestflowCacheModule, tieredStore } from '../../dist/esm/index.js';
import { redisStore } from '../../dist/esm/redis.js';
import { insides } from '../rig/peers.mjs';
import { WriteBytes } from './write-bytes.mjs';

const HOUR = 3_600_000;

/** CacheInterceptor on a store that hands its values out as they are: its fastest. */
const references = () => new Keyv({ serialize: undefined, deserialize: undefined });

const interceptor = (stores) => ({
  imports: [CacheModule.register({ ttl: HOUR, stores })],
  decorators: [UseInterceptors(CacheInterceptor)],
});

/** Any number of keys: the benchmark of misses makes more in a minute than a route may by default. */
const OPTIONS = { ttl: 3600, keyLimit: false };

const restflow = (store, options = OPTIONS) => ({
  imports: [RestflowCacheModule.forRoot({ application: 'bench', version: '1', ...(store && { store }) })],
  decorators: [CacheResponse(options)],
});

/** By name; each is made in the process that serves it. */
const variants = {
  bare: () => ({}),
  'write-bytes': () => ({ decorators: [UseInterceptors(WriteBytes)] }),
  CacheInterceptor: () => interceptor([references()]),
  'CacheInterceptor on Redis': ({ redis }) => interceptor([createKeyv(redis)]),
  restflow: () => restflow(),
  'restflow, fast lane': () => restflow(undefined, { ...OPTIONS, fastLane: true }),
  'restflow on Redis': ({ redis }) => restflow(redisStore({ url: redis, failoverGrace: false })),
  'restflow, tiered': ({ redis }) =>
    restflow(tieredStore({ l1: memoryStore(), l2: redisStore({ url: redis, failoverGrace: false }) })),
};

/**
 * @param {{ variant: string, redis?: string }} options
 * @returns {Promise<{ imports?: unknown[], decorators?: Function[], inside?: (load: () => unknown) => unknown }>}
 */
export async function variantOf(options) {
  const variant = variants[options.variant];
  if (variant !== undefined) return variant(options);
  const inside = insides[options.variant];
  if (inside === undefined) throw new Error(`there is no variant '${options.variant}'`);
  return { inside: await inside(options) };
}

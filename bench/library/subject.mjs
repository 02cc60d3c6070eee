// A process that calls one library, or ours, over and over: a message says how often, the answer what one call took.
import 'reflect-metadata';
import { ArgsKeyField, KeyConstructor } from '../../dist/esm/index.js';
import { redisStore } from '../../dist/esm/redis.js';
import { cachedService } from '../application.mjs';
import { insides } from '../rig/peers.mjs';
import { options, serve } from '../rig/processes.mjs';
import { timed } from '../rig/rounds.mjs';
import { flatCall } from './flat-call.mjs';
import { values } from './values.mjs';

const {
  name,
  value: chosen = 'payload',
  isolation,
  redis,
  calls: least = 2_000,
  concurrency = 1,
} = options();
const value = values[chosen];

const makers = {
  structuredClone: () => () => globalThis.structuredClone(value),
  restflow: async () => {
    const store = redis === undefined ? undefined : redisStore({ url: redis, failoverGrace: false });
    const options = store === undefined ? {} : { store };
    const { service } = await cachedService({ read: { isolation } }, () => value, options);
    return () => service.read(1, 42 + (next++ % concurrency));
  },
  'key of three fields': async () => {
    const { of } = await cachedService({ read: { keyConstructor: ThreeFieldsKey } }, () => value);
    const read = of('read');
    // Another user at each call, since keys are remembered; and one character is read, so that V8 writes the text out.
    return () => read.getCacheKey(1, next++, 'en').charCodeAt(20);
  },
  flat: () => flatCall(options()),
  'bare GET': async () => {
    const { bareGet } = await import('./bare-get.mjs');
    return bareGet(redis, value);
  },
};

class ThreeFieldsKey extends KeyConstructor {
  tenant = new ArgsKeyField('tenant', { partition: true });
  user = new ArgsKeyField('user', { partition: true });
  locale = new ArgsKeyField('locale');
}

/** As many as there are calls at a time: a cache that lets equal calls share one read has nothing to share. */
const keys = Array.from({ length: concurrency }, (_, i) => `tenant=1&user=${42 + i}`);
let next = 0;
let runs = 0;
const make = makers[name];
const inside = make === undefined ? await insides[name]({ redis }) : undefined;
const load = () => {
  runs++;
  return value;
};
const call = inside === undefined ? await make() : () => inside(load, keys[next++ % keys.length]);

async function repeat(times) {
  if (concurrency === 1) {
    for (let i = 0; i < times; i++) await call();
    return;
  }
  let left = times;
  const lane = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

/** So many calls that a round takes about a tenth of a second: the same in all rounds of this process. */
let calls = least;
await repeat(calls);
await repeat(calls);
for (let began = performance.now(); performance.now() - began < 1_000;) {
  const { time } = await timed(repeat, calls);
  calls = Math.max(100, Math.round(100_000 / time));
}
serve(
  async () => {
    const before = runs;
    const figures = await timed(repeat, calls);
    return { ...figures, ran: (runs - before) / calls };
  },
  { calls },
);

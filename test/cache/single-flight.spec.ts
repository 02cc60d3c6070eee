import { afterEach, expect, it } from '@jest/globals';
import { type CacheStore, memoryStore } from '../../lib/index.js';
import { Gate } from '../support/gate.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

/** A store whose answers to reads come when the test lets them, as those of a network do. */
function slowStore(answers: Gate): CacheStore {
  const memory = memoryStore();
  return {
    kind: 'slow',
    keepsReferences: true,
    get: async (query) => {
      const reading = await memory.get(query);
      await answers.pass();
      return reading;
    },
    stamp: (tags) => memory.stamp(tags),
    judge: (stamp) => memory.judge(stamp),
    set: (query, entry) => memory.set(query, entry),
    bump: (tags, mode) => memory.bump(tags, mode),
    sweep: (prefix, drop) => memory.sweep(prefix, drop),
  };
}

async function slow() {
  const answers = new Gate();
  const Slow = method('slow', { ttl: '1h' });
  const application = await start([Slow], { store: slowStore(answers) });
  const service = application.get(Slow);
  return { answers, service, cached: application.cache.for(Slow, 'call') };
}

it('a reader who asked before a load had ended takes its value, though the answer comes after it', async () => {
  const { answers, service } = await slow();
  const calls = [service.call(1), service.call(1), service.call(1)];
  await answers.reached(3);
  answers.next();
  await calls[0];
  answers.open();
  await Promise.all(calls);
  expect(service.runs).toBe(1);
});

it('a reader who asked before a load had ended takes its error, too', async () => {
  const { answers, service } = await slow();
  service.body = () => Promise.reject(new Error('the database is away'));
  const calls = [service.call(1), service.call(1)].map((call) => expect(call).rejects.toThrow('away'));
  await answers.reached(2);
  answers.next();
  await calls[0];
  answers.open();
  await calls[1];
  expect(service.runs).toBe(1);
  await expect(service.call(1)).rejects.toThrow('away');
  expect(service.runs).toBe(2);
});

it('a reader does not take the value of a load after a change that came in between', async () => {
  const { answers, service, cached } = await slow();
  let version = 1;
  service.body = () => version;
  const calls = [service.call(1), service.call(1)];
  await answers.reached(2);
  answers.next();
  await calls[0];
  version = 2;
  await cached.deleteCache(1);
  const late = service.call(1);
  await answers.reached(3);
  answers.open();
  expect(await late).toBe(2);
  await calls[1];
  expect(await service.call(1)).toBe(2);
});

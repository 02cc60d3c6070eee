import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Gate, settled } from '../support/gate.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

describe('a load that waits for itself', () => {
  /** Runs functions in the asynchronous context in which it was made, as pools and queues do. */
  function worker(): (work: () => Promise<unknown>) => Promise<unknown> {
    const jobs = new EventEmitter();
    void (async () => {
      for (;;) {
        const [work, resolve, reject] = (await once(jobs, 'job')) as [
          () => Promise<unknown>,
          () => void,
          () => void,
        ];
        work().then(resolve, reject);
      }
    })();
    return (work) => new Promise((resolve, reject) => jobs.emit('job', work, resolve, reject));
  }

  it('through another asynchronous context, is replaced after ten seconds and told of', async () => {
    const Things = method('ThingsService.find');
    const application = await start([Things]);
    const things = application.get(Things);
    const elsewhere = worker();
    things.body = async () => (things.runs === 1 ? elsewhere(() => things.call(1)) : 'loaded');
    const answers = Promise.all([things.call(1), things.call(1)]);
    await settled();
    application.clock.advance(9_000);
    await settled();
    expect(things.runs).toBe(1);
    application.clock.advance(1_001);
    expect(await answers).toEqual(['loaded', 'loaded']);
    const lines = application.log.warnings.filter((line) => line.includes('waited 10 s'));
    expect(lines).toEqual([expect.stringMatching(/ThingsService\.find.*lock: false/)]);
  });

  it('a slow load is joined again by all that waited but one', async () => {
    const Things = method('ThingsService.slow');
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = async () => {
      await gate.pass();
      return things.runs;
    };
    const answers = Array.from({ length: 50 }, () => things.call(1));
    await settled();
    for (let seconds = 0; seconds < 60; seconds++) {
      application.clock.advance(1_000);
      await settled();
    }
    // One more load in ten seconds, not one for each caller.
    expect(things.runs).toBeLessThanOrEqual(7);
    gate.open();
    await Promise.all(answers);
  });
});

it('the loader of getOrSetMany gets a list of keys that it may change', async () => {
  const { cache } = await start();
  const load = async (keys: readonly string[]): Promise<string[]> =>
    (keys as string[]).splice(0).map((key) => key.toUpperCase());
  expect(await cache.getOrSetMany(['a', 'b'], load)).toEqual(['A', 'B']);
  cache.disable();
  const keys = ['a', 'b'];
  expect(await cache.getOrSetMany(keys, load)).toEqual(['A', 'B']);
  expect(keys).toEqual(['a', 'b']);
});

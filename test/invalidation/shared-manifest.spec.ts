import { describe, expect, it } from '@jest/globals';
import { SharedManifest } from '../../lib/invalidation/exchange/shared-manifest.js';
import { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { normaliseOptions } from '../../lib/module/options.js';
import type { CacheStore } from '../../lib/index.js';
import { ManualClock } from '../support/manual-clock.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { SharedMemory } from '../support/shared-memory.js';
import { manifestRule } from './support/manifest-rules.js';

/** The store as a process sees it: its answers take their time, and some do not come. */
function remote(store: SharedMemory, random: () => number, isFailing: () => boolean): CacheStore {
  return new Proxy(store, {
    get(target, property): unknown {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        const wait = async (): Promise<void> => {
          for (let turns = Math.floor(random() * 4); turns > 0; turns--) await new Promise(setImmediate);
        };
        await wait();
        if (isFailing() && random() < 0.2) throw new Error('lost');
        const answer: unknown = await (member as (...args: unknown[]) => unknown).apply(target, args);
        await wait();
        if (isFailing() && random() < 0.2) throw new Error('lost');
        return answer;
      };
    },
  });
}

describe('processes that write the manifest at the same time', () => {
  it('know the rules of all soon after, without a lock, whatever was lost meanwhile', async () => {
    const runs = soaked(300);
    announce('manifests converge', runs);
    const random = randomNumbers(seed);
    for (let run = 0; run < runs; run++) {
      const store = new SharedMemory();
      let isFailing = true;
      const clock = new ManualClock();
      const count = 2 + Math.floor(random() * 5);
      const processes = Array.from({ length: count }, (_, n) => {
        const seen = remote(store, random, () => isFailing);
        const runtime = new CacheRuntime(normaliseOptions({ store: seen, clock }).runtime);
        const [manifest, own, learned] = [
          new SharedManifest(runtime, seen),
          [manifestRule(n)],
          new Set<string>(),
        ];
        const beat = (): Promise<void> =>
          manifest
            .sync(own, async ({ rules }) => rules.forEach(({ name }) => learned.add(name)))
            .catch(() => undefined);
        return { manifest, learned, own: `rule ${n}`, beat };
      });
      const beats = async (rounds: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          await Promise.all(processes.map(({ beat }) => beat()));
          clock.advance(1_000);
        }
      };
      await beats(5);
      isFailing = false;
      await beats(2 * count + 2);
      const all = processes.map(({ own }) => own).sort();
      for (const { manifest, learned, own } of processes) {
        expect([...manifest.known.entries()].map(([, held]) => held.rule.name).sort()).toEqual(all);
        // What was not known from the first is told once it is.
        expect([...learned].filter((name) => name !== own).sort()).toEqual(
          all.filter((name) => name !== own),
        );
      }
    }
  });
});

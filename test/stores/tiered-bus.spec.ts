import { beforeEach, describe, expect, it } from '@jest/globals';
import { tieredStore } from '../../lib/index.js';
import { type Bus, type InvalidationMode, UNATTACHED } from '../../lib/stores/store.interface.js';
import { Entry, memoryStore, type CacheStore } from '../../lib/stores/index.js';
import { Gate } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';
import { SharedMemory } from '../support/shared-memory.js';
import { storeQuery } from '../support/store-query.js';

/** A bus that is trusted, says something and starts anew when the test says so. */
class ScriptedBus implements Bus {
  trusted = true;
  bumped!: (tags: readonly string[], mode: InvalidationMode) => void;
  reset!: () => void;

  isTrusted(): boolean {
    return this.trusted;
  }
  listen(onBump: ScriptedBus['bumped'], onReset: () => void): void {
    this.bumped = onBump;
    this.reset = onReset;
  }
  attach(): void {}
  async close(): Promise<void> {}
}

const at = storeQuery('key', 'a', 'b');

describe('memory over a shared store, with a bus', () => {
  let bus: ScriptedBus;
  let clock: ManualClock;
  /** What other processes have too. */
  let shared: SharedMemory;
  let store: CacheStore;
  /** Holds answers of the shared store back while it is shut. */
  let gate: Gate;
  let reads: number;
  /** Entries that the shared store was told of. */
  let touched: string[];

  beforeEach(() => {
    bus = new ScriptedBus();
    clock = new ManualClock();
    shared = new SharedMemory();
    gate = new Gate();
    gate.open();
    reads = 0;
    touched = [];
    shared.touch = (key, { value }) => void touched.push(`${key} ${String(value)}`);
    const read = shared.get.bind(shared);
    shared.get = async (query) => {
      reads++;
      const answer = read(query);
      await gate.pass();
      return answer;
    };
    store = tieredStore({ l1: memoryStore(), l2: Object.assign(shared, { openBus: () => bus }) });
    store.attach!({ ...UNATTACHED, now: clock.now });
  });

  const write = async (to: CacheStore, value: string, lifetime = 60_000): Promise<void> => {
    const now = clock.now();
    const stamp = await to.stamp(at.tags());
    await to.set(at, new Entry(value, now, now + lifetime, now + 600_000, stamp, 10));
  };
  const read = async (): Promise<unknown> => {
    const reading = await store.get(at);
    return reading instanceof Entry ? reading.value : undefined;
  };
  /** Whether memory alone answers. */
  const isKept = (): boolean => store.get(at) instanceof Entry;
  /** A read whose answer has left the shared store, and is not here yet. */
  const reading = async (): Promise<() => Promise<unknown>> => {
    gate = new Gate();
    const answer = read();
    await gate.reached();
    return () => {
      gate.open();
      return answer;
    };
  };

  it('serves a value from memory after one read', async () => {
    await write(shared, 'value');
    expect([await read(), await read(), reads]).toEqual(['value', 'value', 1]);
  });

  it('reports an entry without expiry that it serves from memory to the shared store', async () => {
    await write(shared, 'value');
    await read();
    await read();
    expect(touched).toEqual([]);
    const stamp = await shared.stamp(at.tags());
    await store.set(at, new Entry('for good', clock.now(), Infinity, Infinity, stamp, 10));
    await read();
    expect([await read(), touched]).toEqual(['for good', ['key for good']]);
  });

  it('serves nothing from memory, and keeps nothing, while the bus is not trusted', async () => {
    await write(shared, 'value');
    await read();
    bus.trusted = false;
    expect(isKept()).toBe(false);
    await write(shared, 'other');
    expect(await read()).toBe('other');
    bus.trusted = true;
    expect(await read()).not.toBe('other');
    const fresh = tieredStore({ l1: memoryStore(), l2: Object.assign(shared, { openBus: () => bus }) });
    bus.trusted = false;
    await fresh.get(at);
    bus.trusted = true;
    expect(fresh.get(at)).not.toBeInstanceOf(Entry);
  });

  it.each(['a', 'b'])('drops an entry whose tag another process bumped: %s', async (tag) => {
    await write(shared, 'value');
    await read();
    bus.bumped([tag], 'purge');
    expect(isKept()).toBe(false);
  });

  it('keeps no entry that was bumped while it was read', async () => {
    await write(shared, 'old');
    const answer = await reading();
    bus.bumped(['b'], 'purge');
    expect(await answer()).toBe('old');
    expect(isKept()).toBe(false);
  });

  it('keeps no entry that was being read when messages may have been missed, and drops its entries', async () => {
    await write(shared, 'old');
    await read();
    bus.reset();
    expect(isKept()).toBe(false);
    bus.reset();
    const answer = await reading();
    bus.reset();
    expect(await answer()).toBe('old');
    expect(isKept()).toBe(false);
  });

  it('keeps no entry that was replaced while it was read', async () => {
    await write(shared, 'first');
    const answer = await reading();
    await write(store, 'second');
    expect(await answer()).toBe('first');
    expect(await read()).toBe('second');
  });

  it('drops its entry when another is stored under the key', async () => {
    await write(store, 'first');
    await read();
    await write(store, 'second');
    expect(await read()).toBe('second');
  });

  it('keeps no expired entry, and serves no entry past its lifetime after it was stored again', async () => {
    await write(shared, 'value');
    await shared.bump(['a'], 'expire');
    await read();
    expect(isKept()).toBe(false);
    await write(shared, 'short', 1_000);
    expect(await read()).toBe('short');
    await write(shared, 'anew');
    expect(await read()).toBe('short');
    clock.advance(1_000);
    expect(await read()).toBe('anew');
  });

  it('serves no entry that it bumps itself, before and after the shared store has the bump', async () => {
    await write(shared, 'value');
    await read();
    const bump = shared.bump.bind(shared);
    const sent = new Gate();
    shared.bump = async (tags, mode) => {
      await sent.pass();
      return bump(tags, mode);
    };
    const bumping = store.bump(['a'], 'purge');
    expect(isKept()).toBe(false);
    // The shared store does not have the bump yet.
    expect(await read()).toBeUndefined();
    sent.open();
    await bumping;
    expect(isKept()).toBe(false);
    expect(await read()).toBeUndefined();
  });
});

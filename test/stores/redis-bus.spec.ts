import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { BUS_CHANNEL, bumpMessage, RedisBus } from '../../lib/stores/redis/redis-bus.js';
import { HEARTBEAT_MS, SILENT_MS, type RedisConnection } from '../../lib/stores/redis/redis-connection.js';
import { UNATTACHED } from '../../lib/stores/store.interface.js';
import { settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

/** A subscription whose messages arrive when the test says so. */
class Subscription extends EventEmitter {
  isOver = false;
  async subscribe(): Promise<void> {}
  disconnect(): void {
    this.isOver = true;
  }
}

/**
 * A node whose messages a test may hold up, and whose connections it may leave half open: neither can be had of a real
 * Redis. `bus.spec.ts` has those.
 */
class ScriptedNode {
  readonly subscriptions: Subscription[] = [];
  readonly published: string[] = [];
  readonly connection = {
    isReady: true,
    onEpoch: () => undefined,
    executor: {
      channelNode: () => this,
      publish: async (_channel: string, message: string) => void this.published.push(message),
    },
  } as unknown as RedisConnection;

  duplicate(): Subscription {
    this.subscriptions.push(new Subscription());
    return this.subscriptions.at(-1)!;
  }

  /** Everything that was published, to the last who subscribed. */
  deliver(): void {
    for (const message of this.published.splice(0)) this.say(message);
  }

  say(message: string): void {
    this.subscriptions.at(-1)!.emit('message', BUS_CHANNEL, message);
  }
}

describe('the bus over Redis', () => {
  let clock: ManualClock;
  let node: ScriptedNode;
  let bus: RedisBus;
  let bumps: unknown[];
  let resets: number;

  beforeEach(async () => {
    clock = new ManualClock();
    node = new ScriptedNode();
    bus = new RedisBus(node.connection);
    bumps = [];
    resets = 0;
    bus.listen(
      (...bump) => bumps.push(bump),
      () => resets++,
    );
    bus.attach({ ...UNATTACHED, now: clock.now, after: (ms, run) => clock.after(ms, run) });
    await settled();
  });

  it('is trusted for one heartbeat after the returned ping was sent', () => {
    expect(bus.isTrusted()).toBe(false);
    const [ping] = node.published.splice(0);
    clock.advance(HEARTBEAT_MS - 100);
    node.say(ping!);
    expect(bus.isTrusted()).toBe(true);
    clock.advance(99);
    expect(bus.isTrusted()).toBe(true);
    clock.advance(1);
    expect(bus.isTrusted()).toBe(false);
  });

  it('is not trusted for longer when the clock is set back', () => {
    const now = clock.now();
    let shift = 0;
    bus.attach({ ...UNATTACHED, now: () => now + shift, after: () => () => undefined });
    node.deliver();
    expect(bus.isTrusted()).toBe(true);
    shift = -60_000;
    expect(bus.isTrusted()).toBe(false);
  });

  it('ignores the pings of other processes', () => {
    node.published.length = 0;
    node.say(JSON.stringify({ ping: 'somebody else', sentAt: clock.now() }));
    expect(bus.isTrusted()).toBe(false);
  });

  it('clears L1 with each subscription, since messages may have been missed before it', async () => {
    node.deliver();
    expect(bus.isTrusted()).toBe(true);
    const before = resets;
    node.subscriptions[0]!.emit('close');
    expect([bus.isTrusted(), resets > before]).toEqual([false, true]);
    clock.advance(HEARTBEAT_MS);
    expect(node.subscriptions).toHaveLength(2);
    const connected = resets;
    await settled();
    expect(resets).toBe(connected + 1);
    node.deliver();
    expect(bus.isTrusted()).toBe(true);
  });

  it('ignores messages of a connection that it gave up', () => {
    const [old] = node.subscriptions;
    old!.emit('close');
    expect(old!.isOver).toBe(true);
    for (const message of node.published.splice(0)) old!.emit('message', BUS_CHANNEL, message);
    expect(bus.isTrusted()).toBe(false);
  });

  it('gives up a connection that looks alive but is silent', () => {
    node.deliver();
    clock.advance(SILENT_MS);
    expect(node.subscriptions).toHaveLength(1);
    clock.advance(HEARTBEAT_MS);
    expect(node.subscriptions.length).toBeGreaterThan(1);
    expect(node.subscriptions[0]!.isOver).toBe(true);
  });

  it('reports bumps, and reports an unreadable message as possibly missed bumps', () => {
    const before = resets;
    node.say(bumpMessage(['a', 'b'], 'expire'));
    expect([bumps, resets]).toEqual([[[['a', 'b'], 'expire']], before]);
    for (const [i, garbage] of [
      '{',
      'null',
      '{}',
      '{"tags":"a","mode":"purge"}',
      '{"tags":["a"]}',
    ].entries()) {
      node.say(garbage);
      expect(resets).toBe(before + i + 1);
    }
    expect(bumps).toHaveLength(1);
  });
});

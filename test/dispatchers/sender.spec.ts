import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Sender } from '../../lib/dispatchers/sender.js';
import type { InvalidationJob } from '../../lib/index.js';
import { settled } from '../support/gate.js';
import { until } from './support/world.js';

const job = (id: string): InvalidationJob => ({
  id,
  namespace: 'n',
  rule: 'r',
  tags: [id],
  mode: 'purge',
  done: false,
});

/** A queue elsewhere, which takes what it is sent when the test says so. */
class Elsewhere {
  readonly taken: string[] = [];
  readonly failures: string[] = [];
  readonly #deliveries: { jobs: readonly InvalidationJob[]; take: () => void; refuse: () => void }[] = [];
  readonly sender = new Sender(
    'the queue',
    (jobs) =>
      new Promise<void>((resolve, reject) => {
        const take = (): void => {
          this.taken.push(...jobs.map(({ id }) => id));
          resolve();
        };
        this.#deliveries.push({ jobs, take, refuse: () => reject(new Error('no')) });
      }),
    { coarser: () => undefined, failed: (_, message) => this.failures.push(message) },
  );

  get asked(): string[][] {
    return this.#deliveries.map(({ jobs }) => jobs.map(({ id }) => id));
  }
  async next(): Promise<{ take: () => void; refuse: () => void }> {
    await until(() => this.#deliveries.length > 0, 'a delivery');
    return this.#deliveries.shift()!;
  }
}

describe('a sender', () => {
  it('gives jobs again to a queue that says nothing, and goes on once it speaks', async () => {
    const [asked, failures]: [string[][], string[]] = [[], []];
    const send = (jobs: readonly InvalidationJob[]): Promise<void> => {
      asked.push(jobs.map(({ id }) => id));
      return asked.length > 2 ? Promise.resolve() : new Promise(() => undefined);
    };
    const failed = (_topic: string, message: string, reason: unknown): void =>
      void failures.push(`${message}: ${String(reason)}`);
    const sender = new Sender('the queue', send, { coarser: () => undefined, failed }, 20);
    await sender.add([job('a')]);
    await until(() => asked.length === 3, 'a third delivery');
    expect(asked).toEqual([['a'], ['a'], ['a']]);
    expect(failures).toEqual([
      expect.stringContaining('It did not respond within 20 ms.'),
      expect.stringContaining('It did not respond within 40 ms.'),
    ]);
    await sender.close();
  });

  afterEach(() => void jest.useRealTimers());

  it('holds a write up until its own jobs are sent, and not for those of later writes', async () => {
    // Its patience does not end.
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'Date'] });
    const { sender, next } = bound(new Elsewhere());
    const returned: string[] = [];
    const write = (id: string): void => void sender.add([job(id)])!.then(() => returned.push(id));
    write('a');
    write('b');
    await settled();
    expect(returned).toEqual([]);
    (await next()).take();
    await settled();
    expect(returned).toEqual(['a']);
    const delivery = await next();
    write('c');
    delivery.take();
    await settled();
    expect(returned).toEqual(['a', 'b']);
    (await next()).take();
    await settled();
    expect(returned).toEqual(['a', 'b', 'c']);
  });

  it('holds no write up any more while the queue does not answer, and loses nothing', async () => {
    const elsewhere = new Elsewhere();
    const { sender, next } = bound(elsewhere);
    const stuck = [sender.add([job('a')]), sender.add([job('b')])];
    await Promise.all(stuck);
    expect([elsewhere.taken, elsewhere.asked]).toEqual([[], [['a']]]);
    expect(sender.add([job('c')])).toBeUndefined();
    (await next()).take();
    (await next()).take();
    await until(() => elsewhere.taken.length === 3, 'all of them');
    const waiting = sender.add([job('d')]);
    expect(waiting).toBeInstanceOf(Promise);
    (await next()).take();
    await waiting;
  });

  it('sends again what was refused, and says at its end what it could not send', async () => {
    const elsewhere = new Elsewhere();
    const { sender, next } = bound(elsewhere);
    const write = sender.add([job('a'), job('b')]);
    (await next()).refuse();
    await write;
    await until(() => elsewhere.failures.length > 0, 'a line in the log');
    expect(elsewhere.failures).toEqual([
      'Invalidation jobs wait in memory, because the queue does not accept them',
    ]);
    const again = await next();
    const closed = sender.close();
    again.refuse();
    // One that had begun before the end is no last try.
    (await next()).refuse();
    await closed;
    expect(elsewhere.failures.at(-1)).toMatch(/^2 invalidation jobs could not be sent to the queue/);
  });
});

const bound = (elsewhere: Elsewhere): { sender: Sender; next: Elsewhere['next'] } => ({
  sender: elsewhere.sender,
  next: () => elsewhere.next(),
});

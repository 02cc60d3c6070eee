import { beforeEach, describe, expect, it } from '@jest/globals';
import { Rewarmer } from '../../lib/invalidation/index.js';
import { OnceLog } from '../../lib/observability/once-log.js';
import { LogBook } from '../support/application.js';
import { Gate, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

let clock: ManualClock;
let log: LogBook;
let held: Gate;
let ran: unknown[];
let rewarmer: Rewarmer;

const entries = (...ids: number[]) => ids.map((id) => ({ method: 'Users.find', values: { id } }));
const many = (count: number) => entries(...Array.from({ length: count }, (_, id) => id));

beforeEach(() => {
  clock = new ManualClock();
  log = new LogBook();
  held = new Gate();
  ran = [];
  rewarmer = new Rewarmer(clock, new OnceLog(log), async ({ values }) => {
    ran.push(values!['id']);
    await held.pass();
    return undefined;
  });
});

/** Whether a promise has been settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await settled();
  return done;
}

describe('entries to be recomputed', () => {
  it('are computed four at a time, in their order', async () => {
    const done = rewarmer.add(entries(1, 2, 3, 4, 5, 6));
    await settled();
    expect(ran).toEqual([1, 2, 3, 4]);
    held.next();
    await settled();
    expect(ran).toEqual([1, 2, 3, 4, 5]);
    held.open();
    await done;
    expect(ran).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('that wait are computed once for all who asked, those that run are computed again', async () => {
    const done = [
      rewarmer.add(entries(1, 2, 3, 4, 5)),
      rewarmer.add(entries(5, 1)),
      rewarmer.add(entries(1, 5)),
    ];
    held.open();
    await Promise.all(done);
    expect(ran).toEqual([1, 2, 3, 4, 5, 1]);
  });

  it('beyond a thousand that wait stay dropped', async () => {
    void rewarmer.add(many(1_010));
    held.open();
    await rewarmer.close();
    expect(ran).toHaveLength(1_000);
    expect(log.warnings).toEqual([expect.stringMatching(/more than 1000 entries wait/)]);
  });
});

describe('a write that waits for what it has recomputed', () => {
  it('waits until the entries are computed', async () => {
    const written = rewarmer.addFor(entries(1));
    expect(await isSettled(written)).toBe(false);
    held.open();
    expect(await isSettled(written)).toBe(true);
  });

  it('is the only one that waits: others would hold the connections that the computation needs', async () => {
    const first = rewarmer.addFor(entries(1));
    expect(await isSettled(rewarmer.addFor(entries(2)))).toBe(true);
    expect(ran).toEqual([1, 2]);
    held.open();
    await first;
    held = new Gate();
    expect(await isSettled(rewarmer.addFor(entries(3)))).toBe(false);
  });

  it('waits for at most 100 ms, and after a timeout no write waits for ten seconds', async () => {
    const first = rewarmer.addFor(entries(1));
    clock.advance(99);
    expect(await isSettled(first)).toBe(false);
    clock.advance(1);
    expect(await isSettled(first)).toBe(true);
    expect(await isSettled(rewarmer.addFor(entries(2)))).toBe(true);
    clock.advance(10_000);
    expect(await isSettled(rewarmer.addFor(entries(3)))).toBe(false);
  });
});

describe('the shutdown', () => {
  it('computes what waits, and nothing that comes later', async () => {
    void rewarmer.add(entries(1, 2, 3, 4, 5, 6));
    const closed = rewarmer.close();
    expect(await isSettled(closed)).toBe(false);
    held.open();
    await closed;
    expect(ran).toEqual([1, 2, 3, 4, 5, 6]);
    await rewarmer.add(entries(7));
    expect(ran).toHaveLength(6);
  });

  it('waits for at most five seconds, and logs the entries that are left', async () => {
    const done = rewarmer.add(entries(1, 2, 3, 4, 5, 6));
    const closed = rewarmer.close();
    clock.advance(5_000);
    await closed;
    expect(log.warnings).toEqual([
      expect.stringMatching(/^6 entries were not recomputed before the shutdown/),
    ]);
    held.open();
    await done;
    expect(ran).toEqual([1, 2, 3, 4]);
  });

  it('lets one write wait at a time, also after a timed out computation has ended', async () => {
    const inVain = rewarmer.addFor(entries(1));
    await settled();
    clock.advance(100);
    await inVain;
    clock.advance(10_000);
    const second = rewarmer.addFor(entries(2));
    held.next();
    await settled();
    expect(await isSettled(second)).toBe(false);
    expect(await isSettled(rewarmer.addFor(entries(3)))).toBe(true);
    held.open();
    await second;
  });

  it('that fail for different values are one line of the log', async () => {
    const failing = new Rewarmer(
      clock,
      new OnceLog(log),
      async ({ values }) => `GET /users/${values!['id']} answered 404`,
    );
    await failing.add(many(3));
    expect(log.warnings).toHaveLength(1);
  });
});

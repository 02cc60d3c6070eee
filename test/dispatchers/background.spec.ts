import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DispatcherHost, InvalidationJob } from '../../lib/index.js';
import { InvalidationJobError } from '../../lib/index.js';
import { JobQueue } from '../../lib/dispatchers/job-queue.js';
import { BackgroundDispatcher } from '../../lib/dispatchers/index.js';
import { Gate, settled } from '../support/gate.js';
import { openDatabase, Item, startItems, until } from './support/world.js';

const job = (tags: string[], more: Partial<InvalidationJob> = {}): InvalidationJob => ({
  id: tags.join(),
  namespace: 'n',
  rule: 'r',
  tags,
  mode: 'purge',
  done: false,
  ...more,
});

let dispatcher: BackgroundDispatcher;
let failures: string[];
const start = (config: object = {}): void =>
  dispatcher.start({
    config,
    coarser: (tag: string) => (tag === 'all' ? undefined : tag.includes('/') ? tag.split('/')[0] : 'all'),
    failed: (_: string, message: string) => failures.push(message),
  } as unknown as DispatcherHost);

beforeEach(() => {
  failures = [];
  dispatcher = new BackgroundDispatcher();
});

describe('the background dispatcher', () => {
  it('lets the write continue first, and skips jobs that are done', async () => {
    start();
    const handled: unknown[] = [];
    const handle = (one: unknown): void => void handled.push((one as InvalidationJob).id);
    dispatcher.dispatch([job(['a']), job(['b'], { done: true })], { config: {}, handle });
    expect(handled).toEqual([]);
    await settled();
    expect(handled).toEqual(['a']);
  });

  it('runs at most concurrency jobs at the same time', async () => {
    start({ concurrency: 2 });
    const gate = new Gate();
    const jobs = Array.from({ length: 5 }, (_, i) => job([`t${i}`]));
    dispatcher.dispatch(jobs, { config: {}, handle: () => gate.pass() });
    await settled();
    expect(gate.arrived).toBe(2);
    gate.open();
    await dispatcher.close();
    expect(gate.arrived).toBe(5);
  });

  it('merges jobs if too many wait, with coarser tags if there are too many tags, and loses none', async () => {
    start({ concurrency: 1, maxQueue: 10 });
    const gate = new Gate();
    const tags = new Set<string>();
    const handle = (one: unknown): Promise<void> => {
      for (const tag of (one as InvalidationJob).tags) tags.add(tag);
      return gate.pass();
    };
    dispatcher.dispatch([job(['first'])], { config: {}, handle });
    await settled();
    const jobs = Array.from({ length: 2_000 }, (_, i) => job([`m${i % 3}/${i}`]));
    dispatcher.dispatch([job(['soft/1'], { mode: 'expire' }), ...jobs], { config: {}, handle });
    gate.open();
    await dispatcher.close();
    expect(gate.arrived).toBeLessThan(20);
    const covered = jobs.every(({ tags: [tag] }) => tags.has(tag!) || tags.has(tag!.split('/')[0]!));
    expect(covered && tags.has('soft/1')).toBe(true);
    expect(tags.size).toBeLessThan(1_010);
  });

  it('retries while the store fails, and does not retry a job that can never run', async () => {
    start();
    let calls = 0;
    const flaky = (): void => {
      if (++calls < 3) throw new Error('down');
    };
    dispatcher.dispatch([job(['a'])], { config: {}, handle: flaky });
    await until(() => calls === 3, 'the third attempt');
    const never = (): void => {
      calls++;
      throw new InvalidationJobError('JOB_NAMESPACE', 'not ours');
    };
    dispatcher.dispatch([job(['b'])], { config: {}, handle: never });
    await settled();
    expect(calls).toBe(4);
    expect(failures).toEqual([expect.stringMatching(/^An invalidation of the rule r was given up/)]);
  });

  it.each([{ concurrency: 0 }, { workers: 3 }, { maxQueue: '5' }])('refuses the settings %j', (config) => {
    expect(() => start(config)).toThrow(/'background'.*(concurrency|workers|maxQueue)/);
  });

  it('logs the number of jobs that a shutdown lost, including running ones', async () => {
    start({ concurrency: 1, drainTimeout: 1 });
    const gate = new Gate();
    dispatcher.dispatch([job(['a']), job(['b'])], { config: {}, handle: () => gate.pass() });
    await gate.reached();
    await dispatcher.close();
    expect(failures).toEqual([expect.stringContaining('2 invalidation jobs were lost')]);
    gate.open();
  });
});

describe('in an application', () => {
  let close: () => Promise<void>;
  afterEach(() => close());

  it('runs jobs of rules with eager: false, and queued jobs at shutdown', async () => {
    const dataSource = await openDatabase('sql.js', 'background');
    const { app, items } = await startItems('background', { dataSource, rule: { eager: false } });
    close = () => dataSource.destroy();
    await dataSource.manager.save(Item, { id: 1, text: 'one' });
    expect(await items.text(1)).toBe('one');
    await dataSource.manager.save(Item, { id: 1, text: 'two' });
    await until(async () => (await items.text(1)) === 'two', 'the new value');
    expect(app.log.errors).toEqual([]);
    await app.close();
  });
});

it('a merged job is done only if all its parts are done', () => {
  const queue = new JobQueue(1, () => undefined);
  for (const done of [true, false]) queue.add(job([String(done)], { done }));
  expect(queue.next()).toMatchObject({ tags: ['true', 'false'], done: false });
});

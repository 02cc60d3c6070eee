import { beforeEach, describe, expect, it } from '@jest/globals';
import { invalidates } from '../../lib/index.js';
import { ReplicaBumps } from '../../lib/invalidation/replica-bumps.js';
import { settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';
import { inserted, User } from './support/changes.js';
import { World } from './support/world.js';

const LAG = 2_000;
const USER = { fieldMapping: { user: 'id' } } as const;

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

describe('with replicaLag', () => {
  it.each([true, false])('what changed is invalidated again after it, with eager: %s', async (eager) => {
    const world = new World([invalidates(User, { ...USER, eager })], { clock, replicaLag: LAG });
    await world.commit(inserted({ id: 1 }));
    const bump = { tags: world.tagsOf({ user: 1 }), mode: 'purge' };
    expect(world.bumps).toEqual([bump]);
    clock.advance(LAG);
    expect(world.bumps).toEqual([bump, bump]);
  });

  it.each([
    ['waits for replicas', LAG, LAG],
    ['waits no longer than five seconds', 60_000, 5_000],
  ])('a shutdown %s', async (_, replicaLag, waited) => {
    const world = new World([invalidates(User, USER)], { clock, replicaLag });
    await world.commit(inserted({ id: 1 }));
    let isClosed = false;
    const closed = world.service.close().then(() => (isClosed = true));
    clock.advance(waited - 1);
    await settled();
    expect([isClosed, world.bumps.length]).toEqual([false, 1]);
    clock.advance(1);
    await closed;
    expect(world.bumps).toHaveLength(2);
  });

  it('a shutdown waits for nothing where nothing changed', async () => {
    await new World([], { clock, replicaLag: LAG }).service.close();
  });
});

describe('late bumps', () => {
  it('of more tags than are kept do not wait for ever while more and more come', () => {
    const world = new World([], { clock });
    const late = new ReplicaBumps(world.runtime, LAG);
    const partition = (n: number): string => `${world.runtime.space.partitionPrefix('m')}${n}`;
    late.add([partition(0)], 'purge');
    const begun = clock.now();
    const bumped: number[] = [];
    const { bump } = world.runtime;
    world.runtime.bump = (tags, mode) => {
      bumped.push(clock.now() - begun);
      return bump.call(world.runtime, tags, mode);
    };
    let n = 0;
    for (let second = 0; second < 6; second++) {
      late.add(
        Array.from({ length: 10_001 }, () => partition(++n)),
        'purge',
      );
      clock.advance(1_000);
    }
    expect(bumped.some((at) => at >= LAG && at <= 2 * LAG)).toBe(true);
    clock.advance(LAG);
    expect(bumped.at(-1)).toBe(5_000 + LAG);
  });
});

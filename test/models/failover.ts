/**
 * An exhaustive search over the interleavings of a failover: three processes over masters that are promoted one after the other, where
 * each process moves to the new master at its own moment, crashes, or gives up its old one. The writer's bumps are acknowledged by an
 * old master for as long as it accepts writes; the third process keeps an entry in memory and hears of bumps over the bus of its master.
 *
 * The grace of a master ends only when no process uses an earlier one: that is the assumption which `failoverGrace` must fulfil.
 */

/** The rule, and nearby ones, each without one of its parts. */
export const PROTOCOLS = [
  'rule',
  'without repeating bumps',
  'repeating after it serves',
  'without a phase',
  'without a grace that outlasts the old master',
  'without dropping L1',
  'without judging the history of a running load',
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

interface Entry {
  readonly version: number;
  readonly generation: number;
  readonly epoch: number;
  readonly phase: number;
}

interface Master {
  generation: number;
  entry: Entry | null;
  /** An old master accepts writes until it is demoted: it is split off, or its demotion has not arrived. */
  accepts: boolean;
  /** Whether some process has seen it, and so began its grace. */
  seen: boolean;
  phase: number;
}

interface Process {
  alive: boolean;
  /** Index of its master, which is also the epoch. */
  at: number;
  /** Moved, and not yet repeated its bumps: neither serves nor stores. */
  ready: boolean;
  /** It could not check its master within the grace, and bypasses until it has moved. */
  bypasses: boolean;
  phase: number;
  writes: number;
  /** Committed, and its bump not yet sent. */
  committed: boolean;
  /** Whether an acknowledged bump is remembered. */
  bumped: boolean;
  loads: number;
  load: { stamp: Omit<Entry, 'version'>; version: number | null } | null;
  memory: Entry | null;
}

interface State {
  version: number;
  masters: Master[];
  processes: Process[];
  /** Of each acknowledged version: the writer and its master. */
  acknowledged: { version: number; by: number; at: number }[];
  crashes: number;
  generations: number;
}

const PROMOTIONS = 1;
const CRASHES = 1;
/** Of the writer, of a process that reads the store, and of one with a memory above it. */
const WRITES = [1, 0, 0];
const TIERED = 2;

export interface Result {
  readonly states: number;
  readonly stores: number;
  /** How a stale read came about; `undefined` where there is none. */
  readonly example: string | undefined;
}

/**
 * Visits the states that the protocol can reach, until one is found in which a process would serve a stale value.
 *
 * @param loadsOf number of loads of each process
 */
export function explore(protocol: Protocol, loadsOf: readonly number[] = [0, 1, 0]): Result {
  const first: State = {
    version: 0,
    masters: [{ generation: 0, entry: null, accepts: true, seen: true, phase: 1 }],
    processes: WRITES.map((writes, i) => ({
      alive: true,
      at: 0,
      ready: true,
      bypasses: false,
      phase: 1,
      writes,
      committed: false,
      bumped: false,
      loads: loadsOf[i]!,
      load: null,
      memory: null,
    })),
    acknowledged: [],
    crashes: CRASHES,
    generations: 0,
  };
  const seen = new Set<string>();
  const queue: { state: State; path: string }[] = [{ state: first, path: '' }];
  let stores = 0;
  let example: string | undefined;
  // In the order of their length: the first example is a short one.
  for (let at = 0; at < queue.length && example === undefined; at++) {
    const { state, path } = queue[at]!;
    const key = JSON.stringify(state);
    if (seen.has(key)) continue;
    seen.add(key);
    const found = staleRead(state, protocol);
    if (found !== undefined) example = `${path}: ${found}`;
    for (const [name, step] of STEPS) {
      for (let i = 0; i < state.processes.length; i++) {
        const next = JSON.parse(key) as State;
        if (!step(next, i, protocol)) continue;
        if (name === 'store') stores++;
        queue.push({ state: next, path: `${path} ${name}${i}` });
      }
    }
  }
  return { states: seen.size, stores, example };
}

/**
 * A process must not serve less than was acknowledged by its own master, or by a writer that has moved to its master; and once the grace
 * of its master is over, less than was acknowledged by anybody.
 */
function staleRead(state: State, protocol: Protocol): string | undefined {
  for (let i = 0; i < state.processes.length; i++) {
    const reader = state.processes[i]!;
    if (!mayUse(reader)) continue;
    const master = state.masters[reader.at]!;
    const inMemory = reader.memory;
    const stored =
      master.entry !== null && isCurrent(master.entry, master, reader, protocol) ? master.entry : null;
    for (const entry of [inMemory, stored]) {
      if (entry === null) continue;
      for (const { version, by, at } of state.acknowledged) {
        if (version <= entry.version) continue;
        const writer = state.processes[by]!;
        const hasMoved = writer.alive && writer.ready && writer.at === reader.at;
        const isOver = reader.phase === 1 && reader.at === state.masters.length - 1;
        if (at === reader.at || hasMoved || isOver)
          return `${i} serves ${entry.version}, though ${version} was acknowledged`;
      }
    }
  }
  return undefined;
}

function mayUse({ alive, ready, bypasses }: Process): boolean {
  return alive && ready && !bypasses;
}

function isCurrent(entry: Entry, master: Master, reader: Process, protocol: Protocol): boolean {
  const isOfPhase = protocol === 'without a phase' || entry.phase === reader.phase;
  return entry.generation === master.generation && entry.epoch === reader.at && isOfPhase;
}

/** A bump reaches the memories of the processes that are at the same master. */
function bump(state: State, at: number): void {
  state.masters[at]!.generation = ++state.generations;
  for (const process of state.processes) if (process.at === at) process.memory = null;
}

type Step = (state: State, process: number, protocol: Protocol) => boolean;

/** Each returns whether it was possible. */
const STEPS: readonly (readonly [name: string, step: Step])[] = [
  [
    'commit',
    (state, i) => {
      const process = state.processes[i]!;
      if (!process.alive || process.committed || process.writes === 0) return false;
      process.writes--;
      process.committed = true;
      state.version++;
      return true;
    },
  ],
  [
    'bump',
    (state, i) => {
      const process = state.processes[i]!;
      if (!mayUse(process) || !process.committed) return false;
      // Otherwise it is queued, and sent after the process has moved: it is not acknowledged before.
      if (!state.masters[process.at]!.accepts) return false;
      bump(state, process.at);
      process.committed = false;
      process.bumped = true;
      state.acknowledged.push({ version: state.version, by: i, at: process.at });
      return true;
    },
  ],
  [
    'stamp',
    (state, i) => {
      const process = state.processes[i]!;
      if (!mayUse(process) || process.loads === 0 || process.load !== null) return false;
      const { generation } = state.masters[process.at]!;
      process.loads--;
      process.load = { stamp: { generation, epoch: process.at, phase: process.phase }, version: null };
      return true;
    },
  ],
  [
    'read',
    (state, i) => {
      const { alive, load } = state.processes[i]!;
      if (!alive || load === null || load.version !== null) return false;
      load.version = state.version;
      return true;
    },
  ],
  [
    'store',
    (state, i, protocol) => {
      const process = state.processes[i]!;
      const { load, at, phase } = process;
      if (!mayUse(process) || load === null || load.version === null) return false;
      process.load = null;
      const isUnjudged = protocol === 'without judging the history of a running load';
      const isOfPhase = protocol === 'without a phase' || load.stamp.phase === phase;
      if (!isUnjudged && (load.stamp.epoch !== at || !isOfPhase)) return true;
      const stamp = isUnjudged ? { ...load.stamp, epoch: at, phase } : load.stamp;
      const master = state.masters[at]!;
      if (!master.accepts) return true;
      master.entry = { ...stamp, version: load.version };
      return true;
    },
  ],
  [
    'keep',
    (state, i, protocol) => {
      const process = state.processes[i]!;
      const master = state.masters[process.at]!;
      if (i !== TIERED || !mayUse(process) || master.entry === null) return false;
      if (process.memory !== null || !isCurrent(master.entry, master, process, protocol)) return false;
      process.memory = master.entry;
      return true;
    },
  ],
  [
    'promote',
    (state, i) => {
      const last = state.masters.at(-1)!;
      if (i > 0 || state.masters.length > PROMOTIONS) return false;
      state.masters.push({ ...last, accepts: true, seen: false, phase: 0 });
      return true;
    },
  ],
  [
    'demote',
    (state, i) => {
      const master = state.masters[i];
      if (master === undefined || !master.accepts || i === state.masters.length - 1) return false;
      master.accepts = false;
      return true;
    },
  ],
  [
    'move',
    (state, i, protocol) => {
      const process = state.processes[i]!;
      const last = state.masters.length - 1;
      if (!process.alive || process.at === last) return false;
      process.at = last;
      process.bypasses = false;
      const isLate = protocol === 'repeating after it serves' || protocol === 'without repeating bumps';
      process.ready = isLate || !process.bumped;
      state.masters[last]!.seen = true;
      process.phase = state.masters[last]!.phase;
      if (protocol !== 'without dropping L1') process.memory = null;
      return true;
    },
  ],
  [
    'bypass',
    (state, i) => {
      const process = state.processes[i]!;
      const last = state.masters.length - 1;
      if (!process.alive || process.at === last || process.bypasses || !state.masters[last]!.seen)
        return false;
      process.bypasses = true;
      return true;
    },
  ],
  [
    'repeat',
    (state, i, protocol) => {
      const process = state.processes[i]!;
      if (protocol === 'without repeating bumps' || !process.alive) return false;
      if (protocol === 'repeating after it serves' ? !process.bumped : process.ready) return false;
      if (!state.masters[process.at]!.accepts) return false;
      // What it remembers stays remembered: the next master may lack it too.
      if (process.bumped) bump(state, process.at);
      process.ready = true;
      return true;
    },
  ],
  [
    'crash',
    (state, i) => {
      const process = state.processes[i]!;
      // The crash of a process that bumped nothing loses nothing.
      if (!process.alive || state.crashes === 0 || WRITES[i] === 0) return false;
      state.crashes--;
      Object.assign(process, { alive: false, load: null, memory: null, committed: false });
      return true;
    },
  ],
  [
    'end the grace',
    (state, i, protocol) => {
      const last = state.masters.length - 1;
      const master = state.masters[last]!;
      if (i > 0 || !master.seen || master.phase === 1) return false;
      const isUsed = state.processes.some(({ alive, at, bypasses }) => alive && at < last && !bypasses);
      if (isUsed && protocol !== 'without a grace that outlasts the old master') return false;
      master.phase = 1;
      return true;
    },
  ],
  [
    'turn',
    (state, i, protocol) => {
      const process = state.processes[i]!;
      if (!process.alive || process.phase === state.masters[process.at]!.phase) return false;
      process.phase = 1;
      if (protocol !== 'without dropping L1' && protocol !== 'without a phase') process.memory = null;
      return true;
    },
  ],
];

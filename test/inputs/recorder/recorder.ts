import { EventEmitter } from 'node:events';
import { onContextUse } from './contexts.js';
import { currentReader } from './readers.js';
import { watchHeaders } from './watched-headers.js';
import { labelOf, MARKER_MEMBER, watchObject } from './watched-object.js';

/** Before the cache's interceptor; from there until the head reaches its layer; after that. */
export type Phase = 'upstream' | 'load' | 'after';

/** Reads and writes by phase and reader, as lists of `request.ip`, `headers.origin`, `response.locals=`. */
export type Accesses = Partial<Record<Phase, Record<string, string[]>>>;

export interface Recording {
  /** Reads, and writes with `=` behind them. */
  readonly accesses: Accesses;
  /** Members that each object has at the first hook, inherited ones included, beyond Node's. */
  readonly present: Record<string, string[]>;
  /** Own members that each object has in the end, beyond Node's and those at the first hook. */
  readonly added: Record<string, string[]>;
  /** AsyncLocalStorage instances by the package that owns them: which package entered or read each, and in which phase. */
  readonly contexts: string[];
}

/** The objects of one request, as its platform has them. */
export interface Exchange {
  readonly request?: object;
  readonly raw: object;
  readonly response: object;
  /** Node's response, where the platform has its own. */
  readonly rawResponse?: object;
}

/** Members whose values are watched themselves: the reads that count are those of their members. */
const silent = new Set(['request.headers', 'raw.headers', 'request.raw', 'response.raw', 'response.locals']);

/** Follows each exchange through its phases. */
export interface Observer {
  /** Called by the first middleware or hook. */
  begin(exchange: Exchange): void;
  enter(phase: Phase): void;
  end(): void;
}

export class Recorder implements Observer {
  readonly #accesses = new Map<string, Set<string>>();
  readonly #present = new Map<string, Set<string>>();
  readonly #added = new Map<string, Set<string>>();
  readonly #contexts = new Set<string>();
  readonly #proxies = new WeakMap<object, object>();
  #newMembers: (() => void)[] = [];
  #phase: Phase | undefined;

  constructor() {
    onContextUse((use, context, by) => {
      if (this.#phase !== undefined) this.#contexts.add(`${context} ${use} by ${by} (${this.#phase})`);
    });
  }

  begin({ request, raw, response, rawResponse }: Exchange): void {
    this.#phase = 'upstream';
    Reflect.set(request ?? raw, MARKER_MEMBER, undefined);
    const within = { headers: (value: unknown) => this.#headers(value) };
    this.#watch(raw, request ? 'raw' : 'request', within);
    if (request) this.#watch(request, 'request', within);
    this.#watch(response, 'response', { locals: (value) => this.#locals(value) });
    if (rawResponse) this.#watch(rawResponse, 'rawResponse');
  }

  enter(phase: Phase): void {
    // Both a patched response and a hook say that the head goes out.
    if (this.#phase !== undefined) this.#phase = phase;
  }

  end(): void {
    this.#phase = undefined;
    for (const collect of this.#newMembers) collect();
    this.#newMembers = [];
  }

  recording(): Recording {
    const accesses: Accesses = {};
    for (const key of [...this.#accesses.keys()].sort()) {
      const [phase, reader] = key.split(' ') as [Phase, string];
      const members = [...this.#accesses.get(key)!];
      (accesses[phase] ??= {})[reader] = withoutEnumerated(members).sort();
    }
    return {
      accesses,
      present: sortedLists(this.#present),
      added: sortedLists(this.#added),
      contexts: [...this.#contexts].sort(),
    };
  }

  #watch(target: object, name: string, within?: Readonly<Record<string, (value: unknown) => unknown>>): void {
    addAll(this.#present, name, target, [...membersOf(target)]);
    const added = watchObject(target, name, { report: (member) => this.#report(member), within });
    this.#newMembers.push(() => addAll(this.#added, name, target, added()));
  }

  #headers(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    let proxy = this.#proxies.get(value);
    if (proxy === undefined) {
      proxy = watchHeaders(value as Record<string, unknown>, (member) => this.#report(member));
      this.#proxies.set(value, proxy);
      this.#proxies.set(proxy, proxy);
    }
    return proxy;
  }

  #locals(value: unknown): unknown {
    if (typeof value === 'object' && value !== null && !this.#proxies.has(value)) {
      this.#proxies.set(value, value);
      this.#watch(value, 'locals');
    }
    return value;
  }

  #report(member: string): void {
    if (this.#phase === undefined || silent.has(member)) return;
    const reader = currentReader();
    if (reader === undefined) return;
    const key = `${this.#phase} ${reader}`;
    this.#accesses.set(key, (this.#accesses.get(key) ?? new Set()).add(member));
  }
}

/** Members of Node's own messages, which differ between its versions: those of a plain server. */
const nodeMembers = new Set<string>();

export function learnNodeMembers(...messages: readonly object[]): void {
  for (const message of messages) for (const member of membersOf(message)) nodeMembers.add(labelOf(member));
}

function* membersOf(target: object): Generator<PropertyKey> {
  let level: object | null = target;
  for (; level !== null; level = Object.getPrototypeOf(level) as object | null) yield* Reflect.ownKeys(level);
}

function addAll(
  lists: Map<string, Set<string>>,
  name: string,
  target: object,
  members: readonly PropertyKey[],
): void {
  const list = lists.get(name) ?? new Set();
  lists.set(name, list);
  // Fastify's own objects have members of the same names, in all versions of Node.
  const isKnown = (label: string): boolean =>
    target instanceof EventEmitter ? nodeMembers.has(label) : label in Object.prototype;
  for (const label of members.map(labelOf)) if (!isKnown(label) && label !== MARKER_MEMBER) list.add(label);
}

const sortedLists = (lists: ReadonlyMap<string, ReadonlySet<string>>): Record<string, string[]> =>
  Object.fromEntries([...lists].map(([name, members]) => [name, [...members].sort()]));

/** An enumeration reads each name: `headers.*` stands for those that were read. */
function withoutEnumerated(members: readonly string[]): string[] {
  const isAllHeaders = members.includes('headers.*');
  const isAllMembers = members.includes(`request.${MARKER_MEMBER}`);
  const kept = members.filter(
    (member) =>
      !(isAllHeaders && /^headers\.[^*]/.test(member) && !member.endsWith('=')) &&
      !(isAllMembers && /^request\.[^S]/.test(member) && !member.endsWith('=')),
  );
  return isAllMembers ? [...kept, 'request.*'] : kept;
}

import { currentLoad, type RequestScope } from '../../cache/engine/load-context.js';
import type { LoadInput } from '../../cache/engine/load-input.js';
import type { InputRules } from './input-rules.js';
import { observeMember } from './observed-objects.js';
import type { RequestObjects } from './request-input.js';
import { watchOf } from './request-watch.js';

type Name = string | symbol;

/** Values that frameworks compute from a request, in accessors of their prototypes, or that code may leave where they are absent. */
const COMPUTED: ReadonlySet<Name> = new Set([
  ...['host', 'hostname', 'port', 'protocol', 'secure', 'subdomains', 'ip', 'ips'],
  ...['url', 'originalUrl', 'path', 'fresh', 'stale', 'xhr', 'id', 'query', 'params', 'body', 'cookies'],
]);

/** Absent members that engines and libraries look for in any object. */
const OF_ANY_OBJECT: ReadonlySet<Name> = new Set(['then', 'toJSON', 'constructor', 'inspect']);

/**
 * A value of a request that was read while a value was loaded inside its handler. An enclosing load has watched the same read itself: it
 * need not inherit it.
 */
export class ScopedInput implements LoadInput {
  readonly advice = 'read it before, and make it a part of the key';

  constructor(readonly name: string) {}
}

/**
 * Watches what loads of values read of the request in whose handler they run, while they run: members that code has left by then, and
 * members that are absent, which code may leave on another request.
 */
export class InnerLoads implements RequestScope {
  #running = 0;
  #remove: (() => void)[] = [];
  #isPrepared = false;

  /** @param prepare watches what was there before the handler, where no load of a response does */
  constructor(
    private readonly objects: RequestObjects,
    private readonly rules: InputRules,
    private readonly prepare?: () => void,
  ) {}

  begin(): () => void {
    if (this.#running++ === 0) this.#install();
    return () => {
      if (--this.#running > 0) return;
      for (const remove of this.#remove) remove();
      this.#remove = [];
    };
  }

  #install(): void {
    if (!this.#isPrepared) this.prepare?.();
    this.#isPrepared = true;
    const watch = watchOf(this.objects.request);
    if (watch === undefined) return;
    for (const { target, member } of watch.leftFor(this.rules)) observeInner(target, member);
    for (const holder of holdersOf(this.objects)) {
      for (const name of Object.keys(holder)) if (COMPUTED.has(name)) observeInner(holder, name);
      this.#remove.push(watchAbsent(holder));
    }
  }
}

/** Members that are watched already, by their objects. */
const observed = new WeakMap<object, Set<Name>>();

function observeInner(target: object, member: Name): void {
  let members = observed.get(target);
  if (members === undefined) observed.set(target, (members = new Set()));
  if (members.has(member)) return;
  members.add(member);
  const read = (value: unknown): unknown => {
    report(member);
    return value;
  };
  observeMember(target, member, read, true);
}

/** The load of a response decides by its own watch. */
function report(member: Name): void {
  const load = currentLoad();
  if (load !== undefined && load.inputSink === undefined)
    load.readInput(new ScopedInput(`the member ${String(member)} of a request`));
}

function holdersOf({ request, response }: RequestObjects): ReadonlySet<object> {
  const below = [request, response].map((one) => (one as { readonly raw?: object }).raw);
  const locals = [response, ...below].map(
    (one) => (one as { readonly locals?: unknown } | undefined)?.locals,
  );
  const all = [request, response, ...below, ...locals];
  return new Set(all.filter((one): one is object => typeof one === 'object' && one !== null));
}

/** Puts a prototype below an object that reports reads of what it does not find. @returns what removes it */
function watchAbsent(holder: object): () => void {
  const prototype = Object.getPrototypeOf(holder) as object | null;
  const look = (target: object, name: Name): void => {
    if (COMPUTED.has(name) || (!(name in target) && !isOfAnyObject(name))) report(name);
  };
  const pad = new Proxy(Object.create(prototype) as object, {
    get(target, name, receiver) {
      look(target, name);
      return Reflect.get(target, name, receiver) as unknown;
    },
    has(target, name) {
      look(target, name);
      return Reflect.has(target, name);
    },
  });
  if (!Reflect.setPrototypeOf(holder, pad)) return () => undefined;
  return () => {
    if (Object.getPrototypeOf(holder) === pad) Object.setPrototypeOf(holder, prototype);
  };
}

function isOfAnyObject(name: Name): boolean {
  return typeof name === 'symbol'
    ? /^(?:Symbol\.|nodejs\.)/.test(name.description ?? '')
    : OF_ANY_OBJECT.has(name);
}

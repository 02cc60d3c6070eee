import { inspect } from 'node:util';
import { currentLoad, type LoadContext } from '../../cache/engine/load-context.js';
import type { LoadInput } from '../../cache/engine/load-input.js';
import { IS_WATCHED, reportPrinting } from './cloned-headers.js';
import { HeaderEnumeration } from './header-enumeration.js';
import { alwaysNeutralNames, keyedNames, neutralUpstreamNames } from './neutral-headers.js';
import type { InputRules } from './input-rules.js';
import { bodyOf, type LeftMember, type LeftMembers } from './left-members.js';
import { isObserved } from './observed-reads.js';
import { headerInput, type RequestObjects } from './request-input.js';

export type RequestHeaders = Record<string, string | string[] | undefined>;

/** Node's message, below the request of a framework. */
export interface WatchedMessage {
  headers: RequestHeaders;
  url?: string | undefined;
  originalUrl?: string | undefined;
  [WATCH]?: RequestWatch;
}

const WATCH = Symbol('restflow-cache:watch');

/** Gets the reads of the load of a cached route. */
export interface LoadObserver {
  readonly context: LoadContext;
  readHeader(name: string): void;
  readAllHeaders(): void;
  wroteHeader(name: string): void;
}

/** Credentials are left out: requests that carry them are not shared, by other rules. */
export const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'x-api-key']);

export const ALL_HEADERS: LoadInput = {
  name: 'all request headers at once',
  advice: 'read those by name that it needs: each chooses among answers then',
};

const NOTHING: readonly string[] = [];
const NO_BODIES: readonly LeftMember[] = [];

/**
 * Watches the headers of one request from its first middleware on, as the handler of the proxy that replaces `request.headers`. Before the
 * request reaches a cached route, it collects names; the cache itself reads the headers without being watched; while a handler runs, each
 * read is reported to its load.
 */
export class RequestWatch implements ProxyHandler<RequestHeaders> {
  /** Target as the client sent it. */
  readonly target: string;
  /** True if code may have run before the watch began. */
  readonly isLate: boolean;
  /** True if another object has replaced the headers, so that reads of it are not seen. */
  isReplaced = false;
  observer: LoadObserver | undefined;
  /** Set when the request reaches the cache. */
  objects: RequestObjects | undefined;
  #frozen: RequestHeaders | undefined;
  readonly #proxy: RequestHeaders;
  readonly #url: string;
  #phase: 'upstream' | 'cache' | 'handler' = 'upstream';
  #read = NOTHING;
  #written = NOTHING;
  #enumeration: HeaderEnumeration | undefined;

  constructor(
    message: WatchedMessage,
    private readonly headers: RequestHeaders,
    private readonly left: LeftMembers,
    isLate: boolean,
  ) {
    this.#url = message.url ?? '';
    this.target = message.originalUrl ?? this.#url;
    this.isLate = isLate;
    this.#proxy = new Proxy(headers, this);
  }

  /** The proxy that replaces the headers. */
  install(message: WatchedMessage): void {
    message[WATCH] = this;
    setHeaders(message, this.#proxy);
  }

  /** Called when the request reaches the cache, which reads the headers without being watched. */
  arrive(message: WatchedMessage, request: object, response: object): void {
    if (this.#phase === 'cache') return;
    if (this.#phase === 'upstream') {
      this.#endEnumeration();
      this.isReplaced = message.headers !== this.#proxy;
    }
    this.#phase = 'cache';
    this.objects = { request, response };
    if (!this.isReplaced) setHeaders(message, this.headers);
  }

  /** Called when the handler begins. @param observer of a load of a cached route @returns false if it has begun already */
  handOver(message: WatchedMessage, observer?: LoadObserver): boolean {
    if (this.#phase !== 'cache') return false;
    this.#phase = 'handler';
    this.observer = observer;
    reportPrinting(this.headers);
    setHeaders(message, this.#proxy);
    return true;
  }

  /** Headers as the key contains them. */
  get values(): RequestHeaders {
    return this.#frozen ?? this.headers;
  }

  /** Called when a load begins: its own changes must not change a key. @param values of members, as the load reads them */
  freeze(values: ReadonlyMap<string, unknown>): RequestHeaders {
    this.objects = { ...this.objects!, atLoad: values };
    return (this.#frozen = { ...this.headers });
  }

  /** Names of the members that upstream code has left for the load; empty without members. */
  leftNames({ ignoredProperties }: InputRules): string {
    const names = this.left.names(this.objects!, ignoredProperties);
    return this.bodiesLeft().reduce((all, { name }) => (all === '' ? name : `${all},${name}`), names);
  }

  leftFor({ ignoredProperties }: InputRules): readonly LeftMember[] {
    return this.left.find(this.objects!, ignoredProperties);
  }

  /** Bodies that no client sent. */
  bodiesLeft(): readonly LeftMember[] {
    const { request } = this.objects!;
    const { raw } = request as { readonly raw?: object };
    const hasRequest = this.#isLeft(request);
    const hasRaw = raw !== undefined && this.#isLeft(raw);
    if (!hasRequest && !hasRaw) return NO_BODIES;
    return [...(hasRequest ? [bodyOf(request, false)] : []), ...(hasRaw ? [bodyOf(raw, true)] : [])];
  }

  #isLeft(holder: object): boolean {
    const { body } = holder as { readonly body?: unknown };
    if (body === undefined || body === null) return false;
    const { 'content-length': length, 'transfer-encoding': encoding } = this.headers;
    if (encoding !== undefined || (length !== undefined && String(length) !== '0')) return false;
    if (this.headers[':method'] !== undefined && this.headers[':method'] !== 'GET') return false;
    return Object.getPrototypeOf(body) !== Object.prototype || Object.keys(body as object).length > 0;
  }

  /** Names of headers that upstream code has read or set, and on whose values its work may depend. */
  get upstream(): readonly string[] {
    return this.#written.length === 0 ? this.#read : [...new Set([...this.#read, ...this.#written])];
  }

  /** Names of headers that upstream code has set, changed or removed: clients do not send them like this. */
  get written(): readonly string[] {
    return this.#written;
  }

  /** The target of the client, and the URL that upstream code, or an outer application, made of it. */
  rewriting({ url = '' }: { readonly url?: string | undefined }): string | undefined {
    return url === this.#url && url === this.target ? undefined : `${this.target} ${url}`;
  }

  get(headers: RequestHeaders, name: string | symbol): unknown {
    if (typeof name === 'string') this.#readOne(headers, name, true);
    else if (name === IS_WATCHED) return true;
    return headers[name as string];
  }

  has(headers: RequestHeaders, name: string | symbol): boolean {
    if (typeof name === 'string') this.#readOne(headers, name, false);
    return Reflect.has(headers, name);
  }

  getOwnPropertyDescriptor(headers: RequestHeaders, name: string | symbol): PropertyDescriptor | undefined {
    if (typeof name === 'string' && this.#enumeration?.described(name) !== true)
      this.#readOne(headers, name, false);
    return Reflect.getOwnPropertyDescriptor(headers, name);
  }

  ownKeys(headers: RequestHeaders): (string | symbol)[] {
    const names = Reflect.ownKeys(headers).filter((name) => name !== inspect.custom);
    if (this.#phase === 'upstream') {
      this.#endEnumeration();
      this.#enumeration = new HeaderEnumeration(names);
    }
    this.#readAll();
    return names;
  }

  set(headers: RequestHeaders, name: string | symbol, value: unknown): boolean {
    this.#write(headers, name, value);
    return Reflect.set(headers, name, value);
  }

  defineProperty(headers: RequestHeaders, name: string | symbol, descriptor: PropertyDescriptor): boolean {
    this.#write(headers, name, descriptor.value);
    return Reflect.defineProperty(headers, name, descriptor);
  }

  deleteProperty(headers: RequestHeaders, name: string | symbol): boolean {
    this.#write(headers, name, undefined);
    return Reflect.deleteProperty(headers, name);
  }

  #readOne(headers: RequestHeaders, name: string, isValue: boolean): void {
    if (this.#phase === 'cache' || !isObserved()) return;
    if (this.#phase === 'upstream') {
      if (isValue && this.#enumeration?.read(name) === true) return;
      if (!neutralUpstreamNames.has(name) && isHeaderName(headers, name)) this.#note(name);
    }
    const isNeutral = alwaysNeutralNames.has(name) && !keyedNames.has(name);
    if (isNeutral || !isHeaderName(headers, name)) return;
    const inner = currentLoad();
    if (this.observer !== undefined) this.observer.readHeader(name);
    if (inner !== undefined && inner !== this.observer?.context) inner.readInput(headerInput(name));
  }

  #readAll(): void {
    if (this.#phase === 'cache' || !isObserved()) return;
    const inner = currentLoad();
    if (this.observer !== undefined) this.observer.readAllHeaders();
    if (inner !== undefined && inner !== this.observer?.context) inner.readInput(ALL_HEADERS);
  }

  #note(name: string): void {
    if (!this.#read.includes(name)) this.#read = [...this.#read, name];
  }

  #write(headers: RequestHeaders, name: string | symbol, value: unknown): void {
    if (typeof name !== 'string') return;
    if (this.#phase === 'handler') this.observer?.wroteHeader(name);
    if (this.#phase !== 'upstream' || headers[name] === value) return;
    this.#endEnumeration();
    if (!this.#written.includes(name)) this.#written = [...this.#written, name];
  }

  #endEnumeration(): void {
    if (this.#enumeration === undefined) return;
    for (const name of this.#enumeration.singled()) if (!neutralUpstreamNames.has(name)) this.#note(name);
    this.#enumeration = undefined;
  }
}

/** Names with capitals exist only if code has set them; methods of objects are not headers. */
function isHeaderName(headers: RequestHeaders, name: string): boolean {
  if (Object.hasOwn(headers, name)) return true;
  return !(name in Object.prototype) && name === name.toLowerCase();
}

/** Prototypes of messages whose class has only a getter, as on HTTP/2. */
const withoutSetter = new WeakSet<object>();

function setHeaders(message: WatchedMessage, headers: RequestHeaders): void {
  const prototype = Object.getPrototypeOf(message) as object;
  if (!withoutSetter.has(prototype)) {
    try {
      message.headers = headers;
      if (message.headers === headers) return;
    } catch {
      withoutSetter.add(prototype);
    }
  }
  Reflect.defineProperty(message, 'headers', {
    value: headers,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** Begins to watch a request, unless it is watched already. @param isLate true if unwatched code may have run before */
export function watchRequest(message: WatchedMessage, left: LeftMembers, isLate = false): void {
  if (message[WATCH] === undefined) new RequestWatch(message, message.headers, left, isLate).install(message);
}

/** The watch over a request of Express, Fastify, or Node. */
export function watchOf(request: object): RequestWatch | undefined {
  return messageOf(request)[WATCH];
}

export function messageOf(request: object): WatchedMessage {
  return (request as { readonly raw?: WatchedMessage }).raw ?? (request as WatchedMessage);
}

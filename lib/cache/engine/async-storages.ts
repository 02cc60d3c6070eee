import { AsyncLocalStorage } from 'node:async_hooks';

/** Any storage of the process: of the application, of a package, of Node. */
export type AnyStorage = AsyncLocalStorage<unknown>;

/** Called for each read of a storage. @returns the value for the reader */
export type StorageListener = (storage: AnyStorage, store: unknown) => unknown;

interface Originals {
  readonly getStore: (this: AnyStorage) => unknown;
  readonly run: (
    this: AnyStorage,
    store: unknown,
    callback: (...args: unknown[]) => unknown,
    ...args: unknown[]
  ) => unknown;
  readonly enterWith: (this: AnyStorage, store: unknown) => void;
}

/** State that all copies of this library in a process share, because methods of Node are replaced once. */
interface Hub {
  readonly originals: Originals;
  /** Storages that were entered. */
  readonly entered: Set<AnyStorage>;
  readonly listeners: StorageListener[];
}

const HUB = Symbol.for('nestjs-restflow-cache.storages');

/** Copies of this library that may listen: its two builds, and those of tests. */
const MAX_LISTENERS = 4;

/** A program that makes a storage for each request is not followed any more: its contexts count as entered before every load. */
const MAX_ENTERED = 1_000;

const holder = AsyncLocalStorage as unknown as { [HUB]?: Hub };
const prototype = AsyncLocalStorage.prototype as unknown as Originals & Record<string, unknown>;

/** A storage of this library, whose reads are not inputs. */
export function privateStorage<T>(): AsyncLocalStorage<T> {
  const storage = new AsyncLocalStorage<T>();
  const { getStore, run, enterWith } = holder[HUB]?.originals ?? prototype;
  return Object.assign(storage, { getStore, run, enterWith }) as AsyncLocalStorage<T>;
}

/** Has a listener told of every read of a storage, from now on. */
export function listenToStorages(listener: StorageListener): void {
  const { listeners } = (holder[HUB] ??= install());
  if (listeners.includes(listener)) return;
  listeners.push(listener);
  if (listeners.length > MAX_LISTENERS) listeners.shift();
}

function install(): Hub {
  const { getStore, run, enterWith } = prototype;
  const hub: Hub = { originals: { getStore, run, enterWith }, entered: new Set(), listeners: [] };
  const note = (storage: AnyStorage): void => {
    if (hub.entered.has(storage) || hub.entered.size >= MAX_ENTERED) return;
    packageOf(storage);
    hub.entered.add(storage);
  };
  const replaced: Originals = {
    getStore() {
      let store = Reflect.apply(getStore, this, []) as unknown;
      for (const listener of hub.listeners) store = listener(this, store);
      return store;
    },
    run(store, callback, ...args) {
      note(this);
      return Reflect.apply(run, this, [store, callback, ...args]) as unknown;
    },
    enterWith(store) {
      note(this);
      Reflect.apply(enterWith, this, [store]);
    },
  };
  for (const [name, value] of Object.entries(replaced))
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
  return hub;
}

/** The stores that the caller runs in, of those storages that are followed. */
export function storesHere(): ReadonlyMap<AnyStorage, unknown> {
  const stores = new Map<AnyStorage, unknown>();
  const hub = holder[HUB];
  if (hub === undefined) return stores;
  for (const storage of hub.entered) {
    const store = Reflect.apply(hub.originals.getStore, storage, []) as unknown;
    if (store !== undefined) stores.set(storage, store);
  }
  return stores;
}

/** True if it is known when a storage is entered. */
export function isFollowed(storage: AnyStorage): boolean {
  return holder[HUB]?.entered.has(storage) === true;
}

const packages = new WeakMap<AnyStorage, string>();

/** Name of the package whose code used a storage first: its owner. Empty for the application itself. */
export function packageOf(storage: AnyStorage): string {
  let name = packages.get(storage);
  if (name === undefined) packages.set(storage, (name = callingPackage()));
  return name;
}

function callingPackage(): string {
  const frames = (new Error('stack').stack ?? '').split('\n').slice(1);
  const frame = frames.find((line) => !/async-storages|load-context|node:/.test(line)) ?? '';
  return /.*node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(frame)?.[1]?.replace('\\', '/') ?? '';
}

/**
 * Packages on whose contexts no answer depends: loggers, tracers, and the units of work of data mappers. A `/` at the end stands for all
 * packages of a scope.
 */
const OBSERVERS: readonly string[] = [
  ...[
    '@opentelemetry/',
    '@sentry/',
    '@datadog/',
    '@elastic/',
    '@google-cloud/trace-agent',
    '@newrelic/',
    '@fastify/otel',
  ],
  ...[
    'applicationinsights',
    'aws-xray-sdk-core',
    'dd-trace',
    'elastic-apm-node',
    'newrelic',
    'skywalking-backend-js',
  ],
  ...['nestjs-pino', 'pino', 'pino-http', 'winston'],
  ...['@mikro-orm/', 'mongoose', 'sequelize', 'typeorm-transactional', 'typeorm-transactional-cls-hooked'],
];

/** True if a storage belongs to a package that only observes. */
export function isOfObserver(storage: AnyStorage): boolean {
  const name = packageOf(storage);
  return OBSERVERS.some((observer) =>
    observer.endsWith('/') ? name.startsWith(observer) : name === observer,
  );
}

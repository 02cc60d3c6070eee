import 'reflect-metadata';
import { CacheUsageError } from '../common/errors.js';
import type { PartitionValues } from '../keys/key.interface.js';
import type { InvalidationMode } from '../stores/store.interface.js';
import type { CacheRuntime, Delivery } from './cache-runtime.js';
import { type Invalidation, tagsOf, targetOf } from './invalidating-method.js';
import { EVENTS_METADATA } from './method-names.js';
import type { MethodTarget } from './method-target.js';

/**
 * An event: its name, a symbol, or the object that is the pattern of a microservice, e.g. `{ topic: 'user', kind: 'updated' }`.
 *
 * @publicApi
 */
export type InvalidationEvent = string | symbol | Readonly<Record<string, unknown>>;

/** What a class invalidates when an event comes, from `@InvalidatesOnEvent`. */
export interface EventInvalidation {
  readonly event: InvalidationEvent;
  readonly of?: Function | undefined;
  readonly method?: string | undefined;
  /** The decorated method, dropped where the options name no other. */
  readonly decorated?: PropertyKey | undefined;
  readonly partition?: Invalidation['partition'] | undefined;
  readonly tags?: Invalidation['tags'] | undefined;
  readonly mode: InvalidationMode;
  /** The decorator and where it stands, for messages. */
  readonly label: string;
}

/** Stores what is invalidated on an event in the metadata of its class. */
export function declareEvent(prototype: object, declared: EventInvalidation): void {
  const others = (Reflect.getOwnMetadata(EVENTS_METADATA, prototype) ?? []) as readonly EventInvalidation[];
  Reflect.defineMetadata(EVENTS_METADATA, [...others, declared], prototype);
}

/** What a class, and those that it extends, invalidate on events. */
export function eventsOf(owner: Function): readonly EventInvalidation[] {
  const found: EventInvalidation[] = [];
  for (let level: unknown = owner.prototype; level; level = Object.getPrototypeOf(level))
    found.push(
      ...((Reflect.getOwnMetadata(EVENTS_METADATA, level as object) ?? []) as readonly EventInvalidation[]),
    );
  return found;
}

/** @throws CacheConfigurationError, at boot, if the event drops the entries of a method that is not cached */
export function assertEvents(runtime: CacheRuntime, owner: Function): void {
  for (const declared of eventsOf(owner)) methodTarget(runtime, declared, owner);
}

/**
 * Drops what a class invalidates on an event. Dropping twice is harmless, so an event may come more than once.
 *
 * An event whose partition cannot be told drops everything that the method cached: a load too many is better than a stale value.
 *
 * @param args what the event carries
 * @returns `queued` if a store that does not answer will get it later
 * @throws CacheUsageError if the function `tags` returns no list of texts
 */
export async function dropOnEvent(
  runtime: CacheRuntime,
  declared: EventInvalidation,
  owner: Function,
  args: readonly unknown[],
): Promise<Delivery> {
  const { tags, partition, mode, label } = declared;
  const named = tags === undefined ? [] : tagsOf(runtime, { tags, mode }, args, label);
  const target = methodTarget(runtime, declared, owner);
  const own = target === undefined ? [] : tagsOfTarget(runtime, target, partition, args, label);
  return runtime.invalidate([...named, ...own], mode, 'event');
}

/** The cached method whose entries are dropped; `undefined` where the options give tags only. */
function methodTarget(
  runtime: CacheRuntime,
  { of, method, decorated, label }: EventInvalidation,
  owner: Function,
): MethodTarget | undefined {
  if (of !== undefined) return targetOf(runtime, { of, method: method! }, label);
  if (decorated === undefined) return undefined;
  return targetOf(runtime, { of: owner, method: String(decorated) }, label);
}

function tagsOfTarget(
  runtime: CacheRuntime,
  target: MethodTarget,
  partition: Invalidation['partition'],
  args: readonly unknown[],
  label: string,
): readonly string[] {
  if (partition === undefined) return [target.methodTag];
  try {
    const values = checkedValues(partition(...args), label);
    const tag = target.partitionTag(values);
    // Entries of readers who spell a value in another way carry a tag for all spellings.
    const fields = Object.keys(values).map((name) => target.key.resolvePartitionField(name)!);
    return [tag, target.anySpellingTag(fields)];
  } catch (error) {
    runtime.log.error(
      `event ${label}`,
      `${label} could not tell the partition of an event, so everything that ${target.name} cached is dropped`,
      error,
    );
    return [target.methodTag];
  }
}

/** @throws CacheUsageError where a field of the event is missing: a partition of `undefined` would drop nothing */
function checkedValues(values: PartitionValues | null | undefined, label: string): PartitionValues {
  const missing = Object.entries(values ?? {}).flatMap(([name, value]) =>
    value === undefined ? [name] : [],
  );
  if (typeof values === 'object' && values !== null && missing.length === 0) return values;
  throw new CacheUsageError(
    'CACHE_EVENT',
    `The partition function of ${label} returned ${missing.length > 0 ? `no value for ${missing.join(', ')}` : 'no object'}. ` +
      `Write partition: (event) => ({ user: event.id }), with a member that the event has, or null.`,
  );
}

/** An event as messages show it. */
export function eventName(event: InvalidationEvent): string {
  return typeof event === 'object' ? JSON.stringify(event) : `'${String(event)}'`;
}

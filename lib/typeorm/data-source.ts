import type { ChangeSink } from '../invalidation/change.interface.js';
import { ChangeCollector } from './collect/change-collector.js';
import { propertyOf } from '../common/property-of.js';
import { keepFast } from './patches/replaced-method.js';
import type { CollectorOptions } from './collect/change-emitter.js';
import type { OrmDataSource } from './typeorm.interface.js';

/** What {@link attachCollector} answers. */
export interface CollectorHandle {
  /** Stops telling the sink, once every handle for this sink and DataSource is detached. Safe to call twice. */
  detach(): void;
}

/**
 * Whether a value is a TypeORM DataSource of any version, told by its shape: typeorm itself is never imported. Every provider of an
 * application is asked, so its methods decide first: only what has them has other members read, accessors included.
 */
export function isDataSource(value: unknown): value is OrmDataSource {
  if (typeof value !== 'object' || value === null) return false;
  for (const method of ['initialize', 'createQueryRunner'])
    if (typeof propertyOf(value, method) !== 'function') return false;
  try {
    const { entityMetadatas, subscribers, options, driver } = value as Partial<OrmDataSource>;
    return (
      Array.isArray(entityMetadatas) &&
      Array.isArray(subscribers) &&
      typeof options === 'object' &&
      typeof driver === 'object'
    );
  } catch {
    return false;
  }
}

/**
 * Tells `sink` of every change that is committed through `dataSource`, from now on, initialised or not, and through any
 * later destroy() and initialize(). One subscriber is put in front of all others, since another one that throws keeps
 * those behind it from being called.
 *
 * Attaching again for the same sink adds nothing but a handle; its options are those of the first time.
 *
 * @throws TypeError when the value is not a DataSource.
 */
export function attachCollector(
  dataSource: OrmDataSource,
  sink: ChangeSink,
  options: CollectorOptions = {},
): CollectorHandle {
  if (!isDataSource(dataSource)) {
    throw new TypeError(
      'attachCollector: expected a TypeORM DataSource; pass the instance, e.g. app.get(DataSource).',
    );
  }
  const registration = registrationOf(dataSource);
  const attached =
    registration.get(sink) ?? registration.add(sink, new ChangeCollector(dataSource, sink, options));
  attached.handles++;
  let detached = false;
  return {
    detach() {
      if (detached) return;
      detached = true;
      if (--attached.handles === 0) registration.remove(sink);
    },
  };
}

interface Attached {
  readonly collector: ChangeCollector;
  handles: number;
}

/**
 * The collectors of one DataSource. `initialize()` replaces the `subscribers` array, so the property becomes an accessor:
 * whichever array is assigned, and whenever, has our collectors at its front before anything can be written.
 */
class Registration {
  readonly #dataSource: OrmDataSource;
  readonly #attached = new Map<ChangeSink, Attached>();
  #subscribers: object[];

  constructor(dataSource: OrmDataSource) {
    this.#dataSource = dataSource;
    this.#subscribers = dataSource.subscribers;
    Object.defineProperty(dataSource, 'subscribers', {
      configurable: true,
      enumerable: true,
      get: () => this.#subscribers,
      set: (subscribers: object[]) => {
        const ours = [...this.#attached.values()].map(({ collector }) => collector);
        this.#subscribers = [
          ...ours,
          ...subscribers.filter((subscriber) => !ours.includes(subscriber as ChangeCollector)),
        ];
      },
    });
    keepFast(dataSource);
  }

  get(sink: ChangeSink): Attached | undefined {
    return this.#attached.get(sink);
  }

  add(sink: ChangeSink, collector: ChangeCollector): Attached {
    const attached = { collector, handles: 0 };
    this.#attached.set(sink, attached);
    this.#subscribers.unshift(collector);
    return attached;
  }

  remove(sink: ChangeSink): void {
    const collector = this.#attached.get(sink)?.collector;
    if (collector === undefined) return;
    this.#attached.delete(sink);
    // A new array: a broadcast may be walking over the old one.
    this.#subscribers = this.#subscribers.filter((subscriber) => subscriber !== collector);
    collector.close();
    if (this.#attached.size > 0) return;
    registrations.delete(this.#dataSource);
    const value = this.#subscribers;
    Object.defineProperty(this.#dataSource, 'subscribers', {
      configurable: true,
      enumerable: true,
      writable: true,
      value,
    });
    keepFast(this.#dataSource);
  }
}

const registrations = new WeakMap<OrmDataSource, Registration>();

function registrationOf(dataSource: OrmDataSource): Registration {
  let registration = registrations.get(dataSource);
  if (registration === undefined)
    registrations.set(dataSource, (registration = new Registration(dataSource)));
  return registration;
}

import { propertyOf } from '../common/property-of.js';
import type { ChangeSink } from '../invalidation/change.interface.js';
import { ChangeCollector } from './collect/change-collector.js';
import type { CollectorOptions } from './collect/change-emitter.js';
import { FrontSubscribers } from './patches/subscribers.js';
import type { OrmDataSource } from './typeorm.interface.js';

/** The result of {@link attachCollector}. */
export interface CollectorHandle {
  /** Ends the collection, once every handle for this sink and DataSource is detached. Safe to call twice. */
  detach(): void;
}

/**
 * True if a value is a DataSource of TypeORM 0.3 or 1, judged by its shape: typeorm itself is never imported. Every provider of an
 * application is asked, so its methods decide first: other members are read, accessors included, only where it has those.
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
 * Sends `sink` every change that is committed through `dataSource` from now on, initialised or not, and through any later destroy()
 * and initialize(). Attaching the same sink again returns another handle and keeps the options of the first time.
 *
 * @throws TypeError when the value is not a DataSource, or one whose subscribers cannot be replaced
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
  let attached = registration.bySink.get(sink);
  if (attached === undefined) {
    attached = { collector: new ChangeCollector(dataSource, sink, options), handles: 0 };
    registration.bySink.set(sink, attached);
    registration.subscribers.add(attached.collector);
  }
  attached.handles++;
  const { collector } = attached;
  let isDetached = false;
  return {
    detach() {
      if (isDetached) return;
      isDetached = true;
      if (--attached.handles > 0) return;
      registration.bySink.delete(sink);
      registration.subscribers.remove(collector);
      collector.close();
      if (registration.bySink.size > 0) return;
      registration.subscribers.putBack();
      registrations.delete(dataSource);
    },
  };
}

/** The collectors of one DataSource. */
interface Registration {
  readonly subscribers: FrontSubscribers;
  readonly bySink: Map<ChangeSink, { readonly collector: ChangeCollector; handles: number }>;
}

const registrations = new WeakMap<OrmDataSource, Registration>();

function registrationOf(dataSource: OrmDataSource): Registration {
  let registration = registrations.get(dataSource);
  if (registration === undefined) {
    registration = { subscribers: new FrontSubscribers(dataSource), bySink: new Map() };
    registrations.set(dataSource, registration);
  }
  return registration;
}

import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import type { MethodName } from '../cache/cache.service.js';
import {
  declareEvent,
  type EventInvalidation,
  eventName,
  type InvalidationEvent,
} from '../cache/event-invalidations.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import {
  checkOptions,
  isClassOrFunction,
  isFunction,
  isRecord,
  isText,
  oneOf,
  type OptionTable,
  tags,
} from '../common/options.js';
import type { PartitionValues } from '../keys/key.interface.js';
import type { InvalidationMode } from '../stores/store.interface.js';
import { methodOf, whereOf } from './decorator-options.js';

/**
 * Options of `@InvalidatesOnEvent`. `Payload` is what the event carries.
 *
 * @publicApi
 */
export interface InvalidatesOnEventOptions<T extends object = object, Payload extends unknown[] = never[]> {
  /** The class of the cached method, or `() => Class` if imports are circular. Default: the decorated method. */
  of?: Type<T> | (() => Type<T>) | undefined;
  /** The cached method of `of`. */
  method?: MethodName<T> | undefined;
  /** The partition to drop, made from what the event carries. Default: all entries of the cached method. */
  partition?: ((...payload: Payload) => PartitionValues) | undefined;
  /** Tags to drop: a list, or a function of what the event carries. */
  tags?: readonly string[] | ((...payload: Payload) => readonly string[]) | undefined;
  /** `'purge'` (default) drops entries, `'expire'` makes them stale. */
  mode?: InvalidationMode | undefined;
}

/**
 * Invalidates when an event comes: one that the application emits with `EventEmitter2` of @nestjs/event-emitter, or a message that a
 * microservice gets (`invalidationEvents()` of `nestjs-restflow-cache/microservices`).
 *
 * On a cached method it drops the entries of that method. On a class it drops what the options name.
 *
 * @param event name of the event, with wildcards where the emitter has them; or the pattern of a message
 * @param options what to drop; may be left out on a cached method, which then drops all of its entries
 * @throws CacheConfigurationError if the options name neither tags nor a cached method
 * @example
 * @CacheResult({ keyConstructor: UserKey })
 * @InvalidatesOnEvent('user.updated', { partition: (event: UserUpdated) => ({ user: event.id }) })
 * async findUser(userId: number) { … }
 *
 * @publicApi
 */
export function InvalidatesOnEvent<T extends object, Payload extends unknown[]>(
  event: InvalidationEvent,
  options: InvalidatesOnEventOptions<T, Payload> = {},
): MethodDecorator & ClassDecorator {
  const decorate = (target: object, methodKey?: string | symbol, descriptor?: PropertyDescriptor): void => {
    const isClass = methodKey === undefined;
    if (!isClass) {
      const what = 'only methods and classes can invalidate on an event';
      methodOf('InvalidatesOnEvent', what, target, methodKey, descriptor);
    }
    const where = isClass ? (target as Function).name : whereOf(target, methodKey);
    const label = `@InvalidatesOnEvent(${describeEvent(event, where)}) on ${where}`;
    declareEvent(
      isClass ? ((target as Function).prototype as object) : target,
      normalise(event, options, methodKey, label),
    );
  };
  return decorate as MethodDecorator & ClassDecorator;
}

const OPTIONS: OptionTable<InvalidatesOnEventOptions> = {
  rows: {
    of: [isClassOrFunction, 'the class, or () => Class'],
    method: [isText, 'the name of its cached method'],
    partition: [isFunction, 'a function of what the event carries: (event) => ({ user: event.id })'],
    tags,
    mode: oneOf(['purge', 'expire'], 'CACHE_EVENT'),
  },
  example: `an object: { of: UsersService, method: 'find' }`,
};

/** @throws CacheConfigurationError for anything that no emitter and no microservice knows as an event */
function describeEvent(event: unknown, where: string): string {
  const isEvent =
    isText(event) || typeof event === 'symbol' || (isRecord(event) && Object.keys(event).length > 0);
  if (isEvent) return eventName(event as InvalidationEvent);
  throw new CacheConfigurationError(
    'CACHE_EVENT',
    `@InvalidatesOnEvent() on ${where} was given the event ${describe(event)}. Write its name: @InvalidatesOnEvent('user.updated', …).`,
  );
}

function normalise<T extends object, Payload extends unknown[]>(
  event: InvalidationEvent,
  options: InvalidatesOnEventOptions<T, Payload>,
  methodKey: string | symbol | undefined,
  label: string,
): EventInvalidation {
  checkOptions(OPTIONS, options, label);
  const { of, method, partition, tags: given, mode = 'purge' } = options;
  const hasTarget =
    of !== undefined || (methodKey !== undefined && given === undefined) || partition !== undefined;
  const names = of !== undefined || methodKey !== undefined;
  if ((of === undefined) !== (method === undefined) || (hasTarget ? !names : given === undefined)) {
    throw new CacheConfigurationError(
      'CACHE_EVENT',
      `${label} does not say what to drop. Write it on a cached method, or { of: Class, method: 'name' }, both with partition: ` +
        `(event) => ({ … }) for one partition, or { tags: […] }. A class that is undefined is usually a circular import: write of: () => Class.`,
    );
  }
  return {
    event,
    of,
    method,
    decorated: hasTarget && of === undefined ? methodKey : undefined,
    partition: partition as EventInvalidation['partition'],
    tags: given as EventInvalidation['tags'],
    mode,
    label,
  };
}

import { Controller, Inject, Optional, type Type } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { dropOnEvent, type EventInvalidation, eventName, eventsOf } from '../cache/event-invalidations.js';
import { CACHE_RUNTIME } from '../cache/runtime-token.js';
import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, flag, isClassOrFunction, isList, type OptionTable } from '../common/options.js';
import { StoreUnavailableError } from '../stores/store.interface.js';
import { acknowledged } from './acknowledged.js';
import { declareHeard } from './event-sources.js';

/**
 * Options of {@link invalidationEvents}.
 *
 * @publicApi
 */
export interface InvalidationEventsOptions {
  /** The classes whose `@InvalidatesOnEvent` this microservice hears. */
  of: readonly Type[];
  /**
   * For RabbitMQ with `noAck: false`: acknowledges a message when every store has dropped the entries, requeues it one second after
   * a store failed, and rejects it to the queue's dead letter exchange if its payload gives no tags. Default `false`.
   */
  ack?: boolean | undefined;
}

const OPTIONS: OptionTable<InvalidationEventsOptions> = {
  rows: {
    of: [
      (value) =>
        isList(value) && (value as unknown[]).length > 0 && (value as unknown[]).every(isClassOrFunction),
      'a list of classes that have @InvalidatesOnEvent()',
    ],
    ack: flag,
  },
  required: ['of'],
  example: 'an object: { of: [UsersService] }',
};

/**
 * Makes a controller that gets the events of `@InvalidatesOnEvent` as messages of a microservice.
 *
 * A message that comes more than once does no harm. That none is lost is up to the transport: write `ack: true` for RabbitMQ.
 *
 * @throws CacheConfigurationError if a class invalidates on no event that a message can carry
 * @example
 * @Module({
 *   imports: [RestflowCacheModule.forRoot({ store, namespace: 'shop' })],
 *   providers: [UsersService],
 *   controllers: [invalidationEvents({ of: [UsersService], ack: true })],
 * })
 * class EventsModule {}
 *
 * @publicApi
 */
export function invalidationEvents(options: InvalidationEventsOptions): Type {
  checkOptions(OPTIONS, options, 'invalidationEvents()');
  const { of, ack = false } = options;
  @Controller()
  class InvalidationEventsController {
    constructor(@Optional() @Inject(CACHE_RUNTIME) readonly runtime: CacheRuntime | undefined) {}
  }
  const byName = new Map<string, { declared: EventInvalidation; owner: Type }[]>();
  for (const owner of of) {
    for (const declared of patternsOf(owner)) {
      const name = eventName(declared.event);
      byName.set(name, [...(byName.get(name) ?? []), { declared, owner }]);
    }
  }
  for (const [name, group] of byName) {
    const handle = async function (
      this: InvalidationEventsController,
      payload: unknown,
      context: unknown,
    ): Promise<void> {
      const { runtime } = this;
      if (runtime === undefined) throw noModule();
      const work = async (): Promise<void> => {
        for (const { declared, owner } of group) {
          const delivery = await dropOnEvent(runtime, declared, owner, [payload]);
          // The process may end before the store is back; then only the transport still has the message.
          if (ack && delivery === 'queued')
            throw new StoreUnavailableError(`${declared.label} waits for its store`);
        }
      };
      await acknowledged(ack && context, work, 'invalidationEvents({ of })');
    };
    addHandler(InvalidationEventsController, name, handle, group[0]!.declared.event);
  }
  declareHeard(InvalidationEventsController, of);
  return InvalidationEventsController;
}

/** Does what decorators on a method of this name would do. */
function addHandler(
  controller: Type,
  name: string,
  handle: Function,
  event: EventInvalidation['event'],
): void {
  const prototype = controller.prototype as object;
  const descriptor: PropertyDescriptor = { value: handle, writable: true, configurable: true };
  Object.defineProperty(prototype, name, descriptor);
  Payload()(prototype, name, 0);
  Ctx()(prototype, name, 1);
  EventPattern(event as string)(prototype, name, descriptor);
}

/** The events of a class that a message can carry: a symbol has no meaning in another process. */
function patternsOf(owner: Type): readonly EventInvalidation[] {
  const found = eventsOf(owner).filter(({ event }) => typeof event !== 'symbol');
  if (found.length > 0) return found;
  throw new CacheConfigurationError(
    'CACHE_EVENT',
    `invalidationEvents() was given ${owner.name}, which invalidates on no event that a message can carry. Write ` +
      `@InvalidatesOnEvent('user.updated', …) on the class or on one of its cached methods.`,
  );
}

function noModule(): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_MODULE',
    'invalidationEvents() runs without the cache. Import RestflowCacheModule.forRoot() once, in the root module.',
  );
}

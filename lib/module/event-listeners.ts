import type { CacheRuntime } from '../cache/cache-runtime.js';
import { dropOnEvent, type EventInvalidation, eventName, eventsOf } from '../cache/event-invalidations.js';
import { ATTEMPTS, pause, pauseBefore } from '../common/async.js';
import { RestflowCacheError } from '../common/errors.js';
import { propertyOf } from '../common/property-of.js';
import { heardBy } from '../dispatchers/event-sources.js';

/** The parts of EventEmitter2 that listening needs. */
interface Emitter {
  prependListener(event: string | symbol, listener: (...args: unknown[]) => Promise<void>): unknown;
  off(event: string | symbol, listener: (...args: unknown[]) => Promise<void>): unknown;
}

/** A provider or controller of the application. */
interface Wrapper {
  readonly token?: unknown;
  readonly instance?: unknown;
  readonly metatype?: unknown;
}

/** Listens for the events of `@InvalidatesOnEvent` on the emitter of @nestjs/event-emitter, which need not be installed. */
export class EventListeners {
  readonly #stops: (() => void)[] = [];
  #isStopped = false;

  constructor(private readonly runtime: CacheRuntime) {}

  /**
   * Warns of events that nothing would bring here.
   *
   * @param wrappers all providers and controllers
   */
  start(wrappers: readonly Wrapper[]): void {
    const emitters = new Set(wrappers.filter(isEmitter).map(({ instance }) => instance as Emitter));
    const classes = new Set(wrappers.map(({ metatype }) => metatype).filter(isClass));
    const heard = new Set([...classes].flatMap((metatype) => heardBy(metatype)));
    for (const owner of classes) {
      for (const declared of eventsOf(owner)) {
        const isEmitted = emitters.size > 0 && typeof declared.event !== 'object';
        if (!isEmitted && !heard.has(owner)) this.#warn(declared, owner);
        for (const emitter of emitters) this.#listen(emitter, declared, owner);
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Before other listeners: one that reads the cache must not get the value from before the event. */
  #listen(emitter: Emitter, declared: EventInvalidation, owner: Function): void {
    const { event, label } = declared;
    if (typeof event === 'object') return;
    // It never rejects: emit() does not wait, and an unhandled rejection would end the process.
    const listener = async (...args: unknown[]): Promise<void> => {
      try {
        await dropOnEvent(this.runtime, declared, owner, args);
      } catch (error) {
        this.runtime.log.error(`event ${label}`, `${label} failed`, error);
        // The emitter keeps no events: a store that failed gets this one again from here.
        if (!(error instanceof RestflowCacheError)) void this.#repeat(declared, owner, args);
      }
    };
    emitter.prependListener(event, listener);
    this.#stops.push(() => emitter.off(event, listener));
  }

  async #repeat(declared: EventInvalidation, owner: Function, args: readonly unknown[]): Promise<void> {
    for (let attempt = 1; attempt < ATTEMPTS && !this.#isStopped; attempt++) {
      await pause(this.runtime.engine.clock, pauseBefore(attempt));
      try {
        await dropOnEvent(this.runtime, declared, owner, args);
        return;
      } catch {
        // The first failure is in the log.
      }
    }
  }

  #warn({ event, label }: EventInvalidation, owner: Function): void {
    const line =
      `${label} invalidates nothing in this process: it gets no event ${eventName(event)}. Import EventEmitterModule.forRoot() of ` +
      `@nestjs/event-emitter, or in a microservice add controllers: [invalidationEvents({ of: [${owner.name}] })].`;
    this.runtime.log.warn(line, line);
  }
}

/** The provider EventEmitter2, known by its shape: its class is in a package that may be missing, and is not named alike everywhere. */
function isEmitter({ token, instance }: Wrapper): boolean {
  const has = (name: string): boolean => typeof propertyOf(instance, name) === 'function';
  return typeof token === 'function' && ['emitAsync', 'onAny', 'prependListener', 'off'].every(has);
}

function isClass(metatype: unknown): metatype is Function {
  return typeof metatype === 'function' && typeof propertyOf(metatype, 'prototype') === 'object';
}

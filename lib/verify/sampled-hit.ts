import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/engine/call.js';
import { MethodTarget } from '../cache/method-target.js';
import { copySnapshot } from '../cache/values/copy.js';
import { takeSnapshot, Unstorable } from '../cache/values/snapshot.js';
import type { Entry } from '../stores/store.interface.js';
import { ComparedValue } from './compared-value.js';

/** Arguments that are larger are not copied. Estimated bytes. */
const MAX_ARGUMENT_BYTES = 64 * 1024;

/** A call that can be made again: its arguments are copies. */
export class RepeatableCall {
  readonly #copyArguments: () => readonly unknown[];

  private constructor(
    private readonly call: Call,
    copyArguments: () => readonly unknown[],
  ) {
    this.#copyArguments = copyArguments;
  }

  /**
   * @param isSingleton true if the method may be called on this instance at any time
   * @returns `undefined` if the call cannot be repeated, or its arguments have changed since its key was made
   */
  static of(
    runtime: CacheRuntime,
    call: Call,
    isSingleton: (target: MethodTarget, self: unknown) => boolean,
  ): RepeatableCall | undefined {
    const { target } = call;
    if (!(target instanceof MethodTarget) || call.request !== undefined)
      return new RepeatableCall(call.copy(), () => call.args);
    if (!isSingleton(target, call.self)) return undefined;
    const copyArguments = copierOf(runtime, call.args);
    if (copyArguments === undefined) return undefined;
    const repeatable = new RepeatableCall(call, copyArguments);
    return repeatable.next()?.key === call.key ? repeatable : undefined;
  }

  get target(): Call['target'] {
    return this.call.target;
  }

  get key(): string {
    return this.call.key;
  }

  get request(): Call['request'] {
    return this.call.request;
  }

  /** A new call, with arguments that its loader may change. `undefined` if they have no key. */
  next(): Call | undefined {
    const { target, self, request, ambient } = this.call;
    if (!(target instanceof MethodTarget) || request !== undefined) return this.call.copy();
    try {
      return target.call(self, this.#copyArguments(), undefined, '', ambient);
    } catch {
      return undefined;
    }
  }
}

function copierOf(runtime: CacheRuntime, args: readonly unknown[]): (() => readonly unknown[]) | undefined {
  if (args.every(isPrimitive)) {
    const own = [...args];
    return () => own;
  }
  const snapshot = takeSnapshot([...args], runtime.classes, MAX_ARGUMENT_BYTES);
  if (snapshot instanceof Unstorable) return undefined;
  return () => copySnapshot(snapshot) as unknown[];
}

function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}

/** A hit that is about to be served, and everything that is needed to verify it. */
export class SampledHit {
  readonly served: ComparedValue;
  /** Age of the value, in seconds. */
  readonly age: number;

  constructor(
    readonly call: RepeatableCall,
    readonly entry: Entry,
    /** Milliseconds since the epoch. */
    readonly servedAt: number,
  ) {
    this.served = new ComparedValue(call.target.values, entry.value);
    this.age = Math.max(0, servedAt - entry.cachedAt) / 1000;
  }
}

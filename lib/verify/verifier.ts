import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/engine/call.js';
import { ManualTarget } from '../cache/manual-entry.js';
import { MethodTarget } from '../cache/method-target.js';
import { pause } from '../common/async.js';
import { publishEvent, VerifyEvent } from '../observability/events.js';
import { VerifyCounters, type VerifyOutcome } from '../observability/verify-metrics.js';
import { Entry } from '../stores/store.interface.js';
import { type Reloaded, reload, type RepeatRequest } from './reload.js';
import { RepeatableCall, SampledHit } from './sampled-hit.js';
import { BUS, type FoundCause, StaleCauses, type TableFacts } from './stale-causes.js';
import type { VerifySettings } from './verify-options.js';

/** Verifications may spend this much beyond their budget, so that the first ones need not wait. Milliseconds. */
const ADVANCE_MS = 1_000;

/** For this long, other processes may serve a value from memory that the shared store has invalidated: one heartbeat, with a margin. Milliseconds. */
const BUS_MS = 1_500;

/** Names of keys by hand whose loaders write. */
const MAX_WRITING = 1_000;

/** Functions of other rooms that the verifier uses. */
export interface VerifyLinks {
  /** The single instance of a provider class; `undefined` if it has none. */
  instanceOf(owner: Function): object | undefined;
  readonly repeatRequest: RepeatRequest;
  readonly facts: TableFacts;
}

/** Result of a verification. */
export interface Verified {
  readonly outcome: VerifyOutcome;
  readonly found?: FoundCause | undefined;
}

/**
 * Verifies a sample of the hits: repeats their loads in the background and compares the values. The order of the steps keeps concurrent
 * writes from looking like staleness:
 *
 * 1. The stamp of the served entry is judged by the shared store. If it has moved, the hit was overtaken: {@link #overtaken}.
 * 2. The value is loaded. If it equals what was served: `match`.
 * 3. After `settle`, in which every committed write has invalidated, the stamp is judged again: `superseded` if it has moved.
 * 4. The value is loaded again: `unstable` if the loads differ. The stamp is judged again: `superseded` if it has moved.
 * 5. `stale`: both loads saw the same data, it is not what was served, and nothing has invalidated it.
 */
export class Verifier {
  readonly counters = new VerifyCounters();
  readonly #causes: StaleCauses;
  readonly #running = new Set<Promise<void>>();
  readonly #singletons = new WeakMap<MethodTarget, object>();
  readonly #writing = new Set<string>();
  #isClosed = false;
  #untilNext: number;
  /** Time spent loading, in milliseconds. */
  #spent = 0;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly settings: VerifySettings,
    private readonly links: VerifyLinks,
  ) {
    this.#causes = new StaleCauses(runtime, links.facts);
    this.#untilNext = this.#gap();
    runtime.counters.verify = this.counters;
    runtime.engine.onHit = this.hit;
  }

  /** Called with each fresh entry before it is served. */
  readonly hit = (call: Call, entry: Entry): void => {
    if (--this.#untilNext > 0) return;
    this.#untilNext = this.#gap();
    this.#sample(call, entry);
  };

  /** Hits up to the next one that is verified: random, so that methods that are called in turn are all verified. */
  #gap(): number {
    const { sample } = this.settings;
    return sample === 1 ? 1 : Math.max(1, Math.ceil(Math.log(1 - Math.random()) / Math.log(1 - sample)));
  }

  #sample(call: Call, entry: Entry): void {
    const { target } = call;
    if (target.verify === false) return;
    const hit = this.#repeatable(call, entry);
    if (hit === undefined) return this.#report(call, entry, { outcome: 'unrepeatable' });
    if (this.#running.size >= this.settings.maxInFlight || !this.#hasBudget())
      return this.#report(call, entry, { outcome: 'skipped' });
    const running = this.verify(hit)
      .then((verified) => this.#report(call, entry, verified, hit.age))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #repeatable(call: Call, entry: Entry): SampledHit | undefined {
    const repeatable = this.repeatableOf(call);
    return repeatable && new SampledHit(repeatable, entry, this.runtime.engine.clock.now());
  }

  /** A call that can be made again; `undefined` if its load writes, or it cannot be repeated. */
  repeatableOf(call: Call): RepeatableCall | undefined {
    if (this.#isWriting(call.target)) return undefined;
    try {
      return RepeatableCall.of(this.runtime, call, this.#isSingleton);
    } catch {
      return undefined;
    }
  }

  #isWriting(target: Call['target']): boolean {
    return target.writes === true || this.#writing.has(target.name);
  }

  readonly #isSingleton = (target: MethodTarget, self: unknown): boolean => {
    if (target.isScoped) return false;
    let instance = this.#singletons.get(target);
    if (instance === undefined) {
      instance = this.links.instanceOf(target.owner) ?? NO_INSTANCE;
      this.#singletons.set(target, instance);
    }
    return instance === self;
  };

  #hasBudget(): boolean {
    let loading = this.runtime.counters.byHand.loadTime;
    for (const { counters } of this.runtime.targets) loading += counters.loadTime;
    return this.#spent <= ADVANCE_MS + this.settings.budget * loading;
  }

  /** Never rejects. */
  async verify(hit: SampledHit): Promise<Verified> {
    try {
      return await this.#verify(hit);
    } catch (error) {
      if (this.#isClosed) return FAILED;
      const { name, topic } = hit.call.target;
      this.runtime.log.error(`verify ${topic}`, `A hit of ${name} could not be verified`, error);
      return FAILED;
    }
  }

  async #verify(hit: SampledHit): Promise<Verified> {
    const { clock } = this.runtime.engine;
    const { verify } = hit.call.target;
    if (!(await this.#stands(hit))) return this.#overtaken(hit);
    const first = await this.#reload(hit.call);
    if (first === undefined) return UNREPEATABLE;
    if (first.value.equals(hit.served, verify)) {
      this.#causes.matched(hit);
      return MATCH;
    }
    await pause(clock, this.settings.settle);
    if (!(await this.#stands(hit))) return SUPERSEDED;
    const second = await this.#reload(hit.call);
    if (second === undefined) return UNREPEATABLE;
    if (!second.value.equals(first.value, verify)) return UNSTABLE;
    if (!(await this.#stands(hit))) return SUPERSEDED;
    const found = await this.#causes.of(hit, second, () => this.#reload(hit.call, true));
    return { outcome: 'stale', found };
  }

  /** True if nothing has invalidated the entry, as the shared store knows. */
  async #stands({ call, entry }: SampledHit): Promise<boolean> {
    return (await call.target.store.judge(entry.stamp)) === 'current';
  }

  /** The hit was invalidated before it was judged: right, unless the memory of this process serves it for longer than a heartbeat. */
  async #overtaken({ call, entry }: SampledHit): Promise<Verified> {
    const { clock } = this.runtime.engine;
    await pause(clock, Math.max(BUS_MS, this.settings.settle));
    const again = call.next();
    if (again === undefined) return LATE;
    const reading = await call.target.store.get(again);
    const isSame =
      reading instanceof Entry &&
      reading.isFresh(clock.now()) &&
      reading.cachedAt === entry.cachedAt &&
      reading.stamp.equals(entry.stamp);
    return isSame ? { outcome: 'stale', found: BUS } : LATE;
  }

  async #reload(call: RepeatableCall, fromReplica = false): Promise<Reloaded | undefined> {
    const again = call.next();
    if (again === undefined) return undefined;
    const began = performance.now();
    const { clock } = this.runtime.engine;
    const loaded = await reload(clock, again, this.links.repeatRequest, fromReplica).finally(
      () => (this.#spent += performance.now() - began),
    );
    if (loaded?.context.hasWritten !== true) return loaded;
    call.target.writes = true;
    if (this.#writing.size < MAX_WRITING) this.#writing.add(call.target.name);
    return undefined;
  }

  #report(call: Call, entry: Entry, { outcome, found }: Verified, age = 0): void {
    if (this.#isClosed) return;
    const { counters, name, topic } = call.target;
    const { log, space } = this.runtime;
    if (found === undefined) this.counters.count(counters.name, outcome);
    else this.counters.countStale(counters.name, found.cause, age);
    publishEvent(
      'verify',
      () => new VerifyEvent(space.namespace, counters.name, outcome, age, call.key, found),
    );
    if (found === undefined) return;
    const tables = found.tables?.join() ?? '';
    log.warn(
      `stale ${topic} ${found.cause} ${tables}`,
      `A value of ${name} was served stale (${found.cause}). ${found.advice}.`,
    );
    if (this.settings.drop) this.#drop(call, entry);
  }

  /** Drops an entry that is stale, so that it is not served again. */
  #drop(call: Call, { stamp }: Entry): void {
    const { target } = call;
    const tag =
      target instanceof MethodTarget
        ? target.keyTag(call)
        : target instanceof ManualTarget
          ? target.keyTag
          : undefined;
    if (tag === undefined || !stamp.tags.includes(tag)) return;
    void this.runtime.invalidate([tag], 'purge').catch((error: unknown) => {
      this.runtime.log.error('drop stale', `A stale value of ${target.name} was not dropped`, error);
    });
  }

  /** Resolves when no verification is running. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  /** The application shuts down: what is still running is not waited for, and not counted. */
  close(): void {
    this.#isClosed = true;
    this.runtime.engine.onHit = undefined;
  }
}

const NO_INSTANCE = {};
const FAILED: Verified = { outcome: 'failed' };
const UNREPEATABLE: Verified = { outcome: 'unrepeatable' };
const MATCH: Verified = { outcome: 'match' };
const SUPERSEDED: Verified = { outcome: 'superseded' };
const UNSTABLE: Verified = { outcome: 'unstable' };
const LATE: Verified = { outcome: 'late' };

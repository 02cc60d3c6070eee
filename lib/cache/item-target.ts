import { coarseValue } from '../keys/index.js';
import { CacheUsageError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { Batch } from './batch-load.js';
import type { CacheRuntime } from './cache-runtime.js';
import type { ItemsDefinition, MethodDefinition } from './definition.js';
import { type BatchSeat, type CacheTarget, Call } from './engine/call.js';
import type { MethodTarget } from './method-target.js';

/** One item of a call of a method that returns many: it has the keys and tags of the method, and loads with the other items. */
export class ItemTarget implements CacheTarget {
  readonly name: CacheTarget['name'];
  readonly topic: CacheTarget['topic'];
  readonly store: CacheTarget['store'];
  readonly policy: CacheTarget['policy'];
  readonly values: CacheTarget['values'];
  readonly counters: CacheTarget['counters'];
  readonly verify: CacheTarget['verify'];
  readonly tableTags: CacheTarget['tableTags'];
  readonly hasRules: boolean;
  readonly learnsTags: boolean;
  readonly isScoped: boolean;

  constructor(
    readonly method: MethodTarget,
    readonly seat: BatchSeat,
    private readonly loadItem: () => Promise<unknown>,
  ) {
    ({ name: this.name, topic: this.topic, store: this.store, policy: this.policy } = method);
    ({ values: this.values, counters: this.counters, verify: this.verify } = method);
    ({ learnsTags: this.learnsTags, isScoped: this.isScoped } = method);
    ({ tableTags: this.tableTags, hasRules: this.hasRules } = method);
  }

  get writes(): boolean {
    return this.method.writes;
  }

  set writes(writes: boolean) {
    this.method.writes = writes;
  }

  tags(call: Call): readonly string[] {
    return this.method.tags(call);
  }

  valueTags(call: Call, value: unknown): readonly string[] {
    return this.method.valueTags(call, value);
  }

  load(): Promise<unknown> {
    return this.loadItem();
  }
}

/** Answers a call of a method with `@CacheResultMany`: each item from its own entry, and the missing ones with one run of the method. */
export async function answerMany(
  runtime: CacheRuntime,
  definition: MethodDefinition,
  self: object,
  args: readonly unknown[],
): Promise<unknown[]> {
  const items = definition.items!;
  const [ids, ...rest] = args;
  let target: MethodTarget;
  try {
    target = runtime.target(definition, self.constructor);
  } catch (error) {
    runtime.log.error(`untargeted ${definition.where}`, `${definition.where} is not cached`, error);
    runtime.refuseCurrentLoad(`${definition.where} inside it cannot be cached`);
    return items.loadAll.apply(self as never, args as never[]) as Promise<unknown[]>;
  }
  assertIds(target.name, ids);
  const load = async (missing: readonly unknown[]): Promise<unknown[]> =>
    itemsOf(
      items,
      target.name,
      missing,
      await items.loadAll.call(self as never, ...([missing, ...rest] as never[])),
    );
  const unique = [...new Set(ids)];
  const batch = new Batch(runtime.engine, load as never, target.counters);
  const calls = unique.map((id) => {
    const seat = batch.seat(id as string);
    return itemCall(runtime.call(target, self, [id, ...rest]), new ItemTarget(target, seat, seat.load));
  });
  const mayUse = !target.isScoped && calls.every((call) => call.isKeyed) && runtime.mayUse();
  if (!mayUse && !target.isScoped && !calls.every((call) => call.isKeyed))
    runtime.refuseCurrentLoad(`${target.name} inside it has an argument without a key`);
  const values = await (mayUse ? batch.fetch(calls) : batch.bypass(unique as string[]));
  const byId = new Map(unique.map((id, i) => [id, values[i]]));
  return ids.map((id) => byId.get(id)).filter((item) => item !== undefined);
}

function itemCall(call: Call, target: ItemTarget): Call {
  const own = new Call(target, call.self, call.args);
  own.key = call.key;
  own.argumentsAt = call.argumentsAt;
  own.ambient = call.ambient;
  return own;
}

/** The items of some ids, each by the id that it holds; `undefined` for those that the method did not return. */
export function itemsOf(
  { key }: ItemsDefinition,
  name: string,
  ids: readonly unknown[],
  loaded: unknown,
): unknown[] {
  if (!Array.isArray(loaded)) throw wrongItems(name, `returned ${describe(loaded)}`, key);
  const exact = new Map<string, unknown>();
  const coarse = new Map<unknown, unknown>();
  for (const item of loaded as unknown[]) {
    if (item === undefined || item === null) continue;
    const id = (item as Record<string, unknown>)[key];
    if (id === undefined) throw wrongItems(name, `returned an item without '${key}'`, key);
    exact.set(String(id), item);
    coarse.set(coarseValue(id), item);
  }
  // Databases and requests spell one id differently: 7 and '7', or a UUID in upper case.
  return ids.map((id) => exact.get(String(id)) ?? coarse.get(coarseValue(id)));
}

function assertIds(name: string, ids: unknown): asserts ids is readonly unknown[] {
  if (Array.isArray(ids)) return;
  throw new CacheUsageError(
    'CACHE_BATCH',
    `${name} was called with ${describe(ids)}. With @CacheResultMany() its first argument is a list of ids.`,
  );
}

function wrongItems(name: string, what: string, key: string): CacheUsageError {
  return new CacheUsageError(
    'CACHE_BATCH',
    `${name} ${what}. With @CacheResultMany({ key: '${key}' }) it returns a list of items, each with its id in '${key}'.`,
  );
}

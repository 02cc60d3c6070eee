import 'reflect-metadata';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { MethodDefinition } from '../../cache/definition.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { UNCOUNTED } from '../../observability/metrics.js';
import type { Reconstruction } from '../../keys/index.js';
import type { RewarmValue } from './rewarm.js';

type Values = Readonly<Record<string, RewarmValue>>;

/**
 * Caches the value of a call again: calls the method, joins a running load, or keeps a value that a reader has loaded since the
 * invalidation.
 *
 * @param self the instance to call
 * @param values values of the partition, from which the arguments are derived
 * @returns the reason why the value cannot be computed; `undefined` if it was
 */
export async function rewarmResult(
  { engine }: CacheRuntime,
  target: MethodTarget,
  self: object,
  values: Values,
): Promise<string | undefined> {
  const derived = argumentsOf(target, values);
  if ('problem' in derived) return derived.problem;
  const call = target.call(self, derived.args);
  // Readers have a context, a job has none: the key would be another one.
  if (call.ambient?.members.size === 0)
    return 'keyContext returns no members outside of requests, so readers would not find the entry';
  const isInPartition =
    Object.keys(values).length === 0 || target.tags(call).includes(target.partitionTag(values));
  if (!isInPartition)
    return `the arguments derived from its partition belong to another partition: ${JSON.stringify({ values, args: derived.args })}`;
  // Not counted: no caller waits for it.
  await engine.fetch(call, UNCOUNTED);
  return undefined;
}

/** Derives the arguments of a call from the values of its partition, each converted to the declared type of its parameter. */
function argumentsOf({ key, definition }: MethodTarget, values: Values): Reconstruction {
  const derived = key.arguments.from(new Map(Object.entries(values)));
  if ('problem' in derived) return derived;
  const types = parameterTypes(definition);
  const args: unknown[] = [];
  for (const [index, value] of derived.args.entries()) {
    const arg = value === undefined ? value : convert(value as RewarmValue, types[index]);
    if (arg === NOT_CONVERTIBLE) {
      return {
        problem: `its argument ${index} is declared as ${types[index]!.name}, and ${String(value)} cannot be converted to it`,
      };
    }
    args.push(arg);
  }
  return { args };
}

/** The reason why a parameter of the key cannot be derived from a column; `undefined` if all can. */
export function parameterProblem({ key, definition }: MethodTarget): string | undefined {
  const type = parameterTypes(definition).find(
    (one, index) => key.arguments.reads(index) && one !== undefined && !CONVERSIONS.has(one),
  );
  return type && `its parameter of the type ${type.name} cannot be derived from a column`;
}

/** The declared types of the parameters, from `emitDecoratorMetadata`; empty without it. */
function parameterTypes({ declaredIn, methodKey }: MethodDefinition): readonly (Function | undefined)[] {
  const types: unknown = Reflect.getMetadata('design:paramtypes', declaredIn.prototype as object, methodKey);
  return Array.isArray(types) ? (types as Function[]) : [];
}

const NOT_CONVERTIBLE = Symbol('not convertible');

const same = (value: RewarmValue): unknown => value;

/** Converts the value of a column to the type of a parameter: drivers return bigint columns as text, routes pass ids as text. */
const CONVERSIONS = new Map<Function, (value: RewarmValue) => unknown>([
  [Object, same],
  [String, (value) => (typeof value === 'boolean' ? NOT_CONVERTIBLE : String(value))],
  [Number, (value) => (String(Number(value)) === String(value) ? Number(value) : NOT_CONVERTIBLE)],
  [Boolean, (value) => (typeof value === 'boolean' ? value : NOT_CONVERTIBLE)],
  [BigInt, (value) => (/^-?\d+$/.test(String(value)) ? BigInt(value) : NOT_CONVERTIBLE)],
]);

function convert(value: RewarmValue, type: Function | undefined): unknown {
  const conversion = type === undefined ? same : CONVERSIONS.get(type);
  return conversion === undefined ? NOT_CONVERTIBLE : conversion(value);
}

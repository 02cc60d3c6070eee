import 'reflect-metadata';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { MethodDefinition } from '../../cache/definition.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { UNCOUNTED } from '../../observability/metrics.js';
import type { Reconstruction } from '../../keys/index.js';
import type { RewarmValue } from './rewarm.js';

type Values = Readonly<Record<string, RewarmValue>>;

/**
 * Has the value of a call cached anew. Whoever loads it: a value that a reader brought since the invalidation will do, and a load that
 * is under way is waited for.
 *
 * @param self the instance to call
 * @returns why not, where the call cannot be told from the values
 */
export async function rewarmResult(
  { engine }: CacheRuntime,
  target: MethodTarget,
  self: object,
  values: Values,
): Promise<string | undefined> {
  const told = argumentsOf(target, values);
  if ('problem' in told) return told.problem;
  const call = target.call(self, told.args);
  // Outside of requests, and in a worker, the context of the entry's readers is not there.
  if (call.ambient?.members.size === 0)
    return 'keyContext tells nothing where it is computed, so that its readers would not find it';
  const isMeant = Object.keys(values).length === 0 || target.tags(call).includes(target.partitionTag(values));
  if (!isMeant)
    return `the call that its partition stands for is in another one: ${JSON.stringify({ values, args: told.args })}`;
  // Nobody asked for it.
  await engine.fetch(call, UNCOUNTED);
  return undefined;
}

/** The arguments of the call that these values stand for, each of the type that its parameter declares. */
function argumentsOf({ key, definition }: MethodTarget, values: Values): Reconstruction {
  const told = key.arguments.from(new Map(Object.entries(values)));
  if ('problem' in told) return told;
  const types = parameterTypes(definition);
  const args: unknown[] = [];
  for (const [index, value] of told.args.entries()) {
    const arg = value === undefined ? value : convert(value as RewarmValue, types[index]);
    if (arg === MISFIT) {
      return {
        problem: `its argument ${index} is declared as ${types[index]!.name}: ${String(value)} is none`,
      };
    }
    args.push(arg);
  }
  return { args };
}

/** Why a parameter that must be known takes no value of a column; `undefined` where it may. */
export function misfitOf({ key, definition }: MethodTarget): string | undefined {
  const type = parameterTypes(definition).find(
    (one, index) => key.arguments.reads(index) && one !== undefined && !CONVERSIONS.has(one),
  );
  return type && `its parameter of the type ${type.name} takes no value of a column`;
}

/** What TypeScript (`emitDecoratorMetadata`) says of the parameters; nothing where it is off. */
function parameterTypes({ declaredIn, methodKey }: MethodDefinition): readonly (Function | undefined)[] {
  const types: unknown = Reflect.getMetadata('design:paramtypes', declaredIn.prototype as object, methodKey);
  return Array.isArray(types) ? (types as Function[]) : [];
}

const MISFIT = Symbol('misfit');

const same = (value: RewarmValue): unknown => value;

/** From a column's value to a parameter's: drivers tell bigints as texts, routes tell ids as texts. */
const CONVERSIONS = new Map<Function, (value: RewarmValue) => unknown>([
  [Object, same],
  [String, (value) => (typeof value === 'boolean' ? MISFIT : String(value))],
  [Number, (value) => (String(Number(value)) === String(value) ? Number(value) : MISFIT)],
  [Boolean, (value) => (typeof value === 'boolean' ? value : MISFIT)],
  [BigInt, (value) => (/^-?\d+$/.test(String(value)) ? BigInt(value) : MISFIT)],
]);

function convert(value: RewarmValue, type: Function | undefined): unknown {
  const conversion = type === undefined ? same : CONVERSIONS.get(type);
  return conversion === undefined ? MISFIT : conversion(value);
}

import fc from 'fast-check';
import {
  type KeyConstructorInput,
  type KeyEnvironment,
  KeyPlan,
  type KeySettings,
  type MethodShape,
} from '../../lib/keys/index.js';

export const settings: KeySettings = { keyHashAlgorithm: 'sha256', maxKeySuffixLength: 250 };

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = process.env['SOAK'] === '1' ? 100_000 : 10_000;

/** Runs a property the number of times that was asked for, with a seed that is printed. */
export function always<Values extends [unknown, ...unknown[]]>(
  promise: string,
  arbitraries: { [Index in keyof Values]: fc.Arbitrary<Values[Index]> },
  holds: (...values: Values) => void,
): void {
  process.stderr.write(`SEED=${seed} runs=${numRuns}: ${promise}\n`);
  fc.assert(
    fc.property(...(arbitraries as never as [fc.Arbitrary<unknown>]), ((...values: Values) =>
      holds(...values)) as never),
    { seed, numRuns },
  );
}

export function method(...parameters: string[]): MethodShape {
  return { className: 'UsersService', methodName: 'find', parameters, kind: 'result' };
}

export function handler(shape: Partial<MethodShape>): MethodShape {
  return { className: 'UsersController', methodName: 'get', parameters: [], kind: 'response', ...shape };
}

export function compile(
  input: KeyConstructorInput | undefined,
  shape: MethodShape,
  changes: Partial<KeySettings> = {},
  environment?: KeyEnvironment,
) {
  return KeyPlan.bind(input, shape, environment).compile({ ...settings, ...changes });
}

/** A key for calls, as a function of the arguments. */
export function keyOf(
  input: KeyConstructorInput | undefined,
  shape: MethodShape,
  changes: Partial<KeySettings> = {},
) {
  const compiled = compile(input, shape, changes);
  return (...args: unknown[]) => compiled.key({ args });
}

/** What a function throws, for assertions on more than the message. */
export function thrownBy(act: () => unknown): Error & { code?: string; path?: readonly string[] } {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

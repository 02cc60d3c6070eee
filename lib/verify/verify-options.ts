import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, flag, isBoolean, isWholeFrom, type OptionTable, parsed } from '../common/options.js';
import { type Duration, parseDuration } from '../common/time.js';

/**
 * Options of `forRoot({ verify })`.
 *
 * @publicApi
 */
export interface VerifyOptions {
  /** Fraction of the hits that are verified, above 0 and at most 1. Default 0.001. */
  sample?: number | undefined;
  /** Verifications that may run at the same time; hits beyond it are not verified. Default 4. */
  maxInFlight?: number | undefined;
  /** Time that verifications may spend loading, as a fraction of the time that the cache spends loading. Default 0.01. */
  budget?: number | undefined;
  /**
   * Time between the two loads of a value that differs from what was served. An invalidation takes at most this long from its COMMIT; a
   * longer one counts as stale. Default `'1s'`, and `replicaLag` more.
   */
  settle?: Duration | undefined;
  /** Drops entries that are found stale. Default `true`. */
  drop?: boolean | undefined;
}

/** The options with their defaults. */
export interface VerifySettings {
  readonly sample: number;
  readonly maxInFlight: number;
  readonly budget: number;
  /** Milliseconds. */
  readonly settle: number;
  readonly drop: boolean;
}

const OPTIONS: OptionTable<VerifyOptions> = {
  rows: {
    sample: [
      (value) => isFraction(value) && (value as number) <= 1,
      'a fraction above 0 and at most 1, e.g. 0.001',
    ],
    maxInFlight: [isWholeFrom(1), 'a whole number of verifications, at least 1'],
    budget: [isFraction, 'a fraction of the time spent loading, above 0, e.g. 0.01'],
    settle: parsed,
    drop: flag,
  },
  example: 'true, or an object: { sample: 0.001 }',
};

function isFraction(value: unknown): boolean {
  return typeof value === 'number' && value > 0;
}

/** @param replicaLag milliseconds */
export function verifySettings(
  given: boolean | VerifyOptions | undefined,
  replicaLag: number,
  where: string,
): VerifySettings | undefined {
  if (given === undefined || given === false) return undefined;
  const options = isBoolean(given) ? {} : (given as VerifyOptions);
  checkOptions(OPTIONS, options, `verify of ${where}`);
  const settle = parseDuration(options.settle ?? '1s', `verify.settle of ${where}`);
  if (settle === Infinity)
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `verify of ${where}: settle is null, so no verification would end. Write how long an invalidation may take, e.g. '1s'.`,
    );
  return {
    sample: options.sample ?? 0.001,
    maxInFlight: options.maxInFlight ?? 4,
    budget: options.budget ?? 0.01,
    settle: options.settle === undefined ? settle + replicaLag : settle,
    drop: options.drop ?? true,
  };
}

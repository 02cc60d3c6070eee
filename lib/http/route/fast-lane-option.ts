import { CacheConfigurationError } from '../../common/errors.js';
import { isRecord, isText, isTextList, unknownOptions } from '../../common/options.js';

/**
 * How hits of a public route are answered before the framework.
 *
 * @publicApi
 */
export interface FastLaneOptions {
  /**
   * Middleware and hooks that need not run for a hit: functions, their names, or `true` for all. Default: none, so that a route behind any
   * of them stays out of the fast lane. Never name code that rejects requests.
   */
  readonly skip?: true | readonly (Function | string)[] | undefined;
  /** Response headers of middleware that hits may repeat, in addition to those of the table in the documentation. */
  readonly headers?: readonly string[] | undefined;
}

/** Checked {@link FastLaneOptions}. */
export interface FastLaneSettings {
  readonly skip: true | ReadonlySet<Function | string>;
  /** Lower-case names. */
  readonly headers: ReadonlySet<string>;
}

const NAMES = ['skip', 'headers'];

/**
 * @returns `undefined` if the route does not use the fast lane
 * @throws CacheConfigurationError for anything but a boolean or {@link FastLaneOptions}
 */
export function fastLaneOf(option: unknown, where: string): FastLaneSettings | undefined {
  if (option === undefined || option === false) return undefined;
  const given: unknown = option === true ? {} : option;
  if (!isRecord(given)) throw invalid(`fastLane of ${where} is ${JSON.stringify(option)}. Write true.`);
  const unknown = Object.keys(given).filter((name) => !NAMES.includes(name));
  if (unknown.length > 0) throw invalid(`fastLane of ${where}: ${unknownOptions(unknown, NAMES)}`);
  const { skip = [], headers = [] } = given as FastLaneOptions;
  if (skip !== true && !(Array.isArray(skip) && skip.every(isCode)))
    throw invalid(
      `fastLane.skip of ${where} must be true, or name middleware: fastLane: { skip: ['corsMiddleware'] }.`,
    );
  if (!isTextList(headers))
    throw invalid(
      `fastLane.headers of ${where} must name response headers: fastLane: { headers: ['x-served-by'] }.`,
    );
  return Object.freeze({
    skip: skip === true ? skip : new Set(skip),
    headers: new Set(headers.map((name) => name.toLowerCase())),
  });
}

function isCode(value: unknown): boolean {
  return typeof value === 'function' || isText(value);
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError('CACHE_RESPONSE_OPTION', message);
}

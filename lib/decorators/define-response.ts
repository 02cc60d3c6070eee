import { CacheConfigurationError } from '../common/errors.js';
import {
  assertMethodOptions,
  normalisePolicy,
  VALUE_OPTIONS,
  type MethodDefinition,
} from '../cache/definition.js';
import { defaultKeyOf } from '../http/route/cached-route.js';
import { normaliseResponseOptions } from '../http/route/response-options.js';
import { withUriTag } from '../http/route/stored-uris.js';
import { responseValues } from '../http/answer/stored-response.js';
import { toRule, type InvalidationRule } from '../invalidation/rules/invalidation-rule.js';
import { KeyPlan, type MethodShape } from '../keys/index.js';
import type { CacheResponseOptions } from './cache-options.interface.js';
import { shapeOf } from './decorator-options.js';

/** What `@CacheResponse` takes. */
export const RESPONSE_OPTIONS = new Set<string>([
  ...VALUE_OPTIONS,
  'keyConstructor',
  'invalidatesOn',
  'tags',
  'store',
  'name',
  'rewarmRequest',
  'setCacheHeaders',
  'statuses',
  'methods',
  'query',
  'vary',
  'shared',
  'conditional',
  'bypass',
  'maxBodyBytes',
  'cacheControl',
  'freshness',
  'honourRequestDirectives',
  'keyLimit',
  'explain',
] satisfies (keyof CacheResponseOptions)[]);

/**
 * A handler whose answers are cached, normalised.
 *
 * @throws CacheConfigurationError or TypeError for options that cannot work
 */
export function defineResponse(
  target: object,
  methodKey: string | symbol,
  original: MethodDefinition['original'],
  where: string,
  options: CacheResponseOptions,
): MethodDefinition {
  assertMethodOptions(options, RESPONSE_OPTIONS, `@CacheResponse() on ${where}`);
  const methodName = String(methodKey);
  const hints: string[] = [];
  const response = normaliseResponseOptions(options, where);
  const byHeaders = response.freshness === 'headers';
  const keyConstructor = options.keyConstructor ?? defaultKeyOf(response);
  const rules = (options.invalidatesOn ?? []).map((item) => toRule(item, where));
  const shape = shapeOf('response', target, methodName, original);
  return Object.freeze({
    kind: 'response',
    methodName,
    methodKey,
    declaredIn: target.constructor,
    where,
    original,
    keyConstructor,
    plan: (route?: Partial<MethodShape>) => KeyPlan.bind(keyConstructor, { ...shape, ...route }),
    // Where the headers decide, what the store keeps has no lifetime of its own.
    policy: normalisePolicy(byHeaders ? { ...options, ttl: null } : options, where, hints),
    name: options.name,
    store: options.store,
    tags: (byHeaders ? withUriTag(options.tags) : options.tags) as MethodDefinition['tags'],
    isolation: 'clone',
    values: responseValues,
    type: undefined,
    rules,
    rewarmRequest: rewarmRequestOf(options, rules, where),
    response,
    hints,
  });
}

/** @throws CacheConfigurationError for what is no function, or is asked by no rule */
function rewarmRequestOf(
  { rewarmRequest }: CacheResponseOptions,
  rules: readonly InvalidationRule[],
  where: string,
): CacheResponseOptions['rewarmRequest'] {
  if (rewarmRequest === undefined) return undefined;
  if (typeof rewarmRequest !== 'function')
    throw invalidRewarm(where, `is no function. Write (change) => ({ url: '/articles' })`);
  if (rules.some(({ options }) => options.rewarm === true)) return rewarmRequest;
  throw invalidRewarm(where, 'is asked by no rule. Write rewarm: true in a rule of invalidatesOn');
}

function invalidRewarm(where: string, problem: string): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_REWARM',
    `@CacheResponse() on ${where}: rewarmRequest ${problem}.`,
  );
}

import { CacheConfigurationError } from '../../common/errors.js';
import { type FieldContext, type FieldPart, type KeyField, QueryParamsKeyField } from '../../keys/index.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import { uriOf } from './stored-uris.js';
import { wildcardMatcher } from './wildcard.js';

/**
 * Query parameters that the response depends on: all, these, or all except these.
 *
 * @publicApi
 */
export type QueryOption = '*' | readonly string[] | { readonly ignore: readonly string[] };

/** Tells by its name whether a query parameter counts. */
export class QueryFilter {
  readonly #isNamed: readonly ((name: string) => boolean)[];
  readonly #isIgnored: boolean;

  private constructor(patterns: readonly string[], isIgnored: boolean) {
    this.#isNamed = patterns.map(wildcardMatcher);
    this.#isIgnored = isIgnored;
  }

  /** @returns `undefined` if all parameters count. @throws CacheConfigurationError for an invalid {@link QueryOption} */
  static of(option: QueryOption | undefined, where: string): QueryFilter | undefined {
    if (option === undefined || option === '*') return undefined;
    const ignored = (option as { ignore?: unknown } | null)?.ignore;
    const names: unknown = ignored ?? option;
    if (Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== ''))
      return new QueryFilter(names as string[], ignored !== undefined);
    throw new CacheConfigurationError(
      'CACHE_RESPONSE_OPTION',
      `query of ${where} is ${JSON.stringify(option)}. Write '*', names such as ['page', 'sort'], or { ignore: ['utm_*'] }.`,
    );
  }

  /** The parameters that count. */
  of(query: unknown): Record<string, unknown> {
    const entries = Object.entries((query ?? {}) as object).filter(
      ([name]) => this.#isNamed.some((fits) => fits(name)) !== this.#isIgnored,
    );
    return Object.fromEntries(entries);
  }

  /** Removes the other parameters from a request: the key does not contain them, so the answer must not depend on them. */
  hide(request: object): void {
    const { query } = request as { readonly query?: unknown };
    Reflect.defineProperty(request, 'query', {
      value: this.of(query),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }

  /** The query parameters that count, as a key field. */
  keyField(): KeyField {
    return new FilteredQueryKeyField(this);
  }
}

class FilteredQueryKeyField extends QueryParamsKeyField {
  constructor(private readonly filter: QueryFilter) {
    super('*');
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    return super
      .bind(context)
      .map((part) => ({ ...part, read: (source) => this.filter.of(part.read!(source)) }));
  }
}

/** Tells whether a request goes to an excluded path. */
export type ExcludedPaths = (request: KeyRequest, platform: HttpPlatform) => boolean;

/**
 * @param patterns paths, in which `*` stands for any text; `/admin/*` includes `/admin`
 * @returns `undefined` without patterns
 */
export function excludedPaths(patterns: readonly string[]): ExcludedPaths | undefined {
  if (patterns.length === 0) return undefined;
  const matchers = patterns.flatMap(withAllBelow).map(wildcardMatcher);
  const isExcluded = (path: string): boolean => {
    const text = path.toLowerCase();
    const spellings = text.endsWith('/') ? [text, text.slice(0, -1)] : [text];
    return matchers.some((fits) => spellings.some(fits));
  };
  // The path as received, as routers read it, and as the pattern of the route: each may reveal an excluded path that the others hide.
  return (request, platform) => {
    const path = uriOf(request).split(/[?#]/, 1)[0]!;
    return [path, decoded(path), platform.routePath(request)].some(isExcluded);
  };
}

/** `/admin/*` includes `/admin`. */
function withAllBelow(path: string): readonly string[] {
  const whole = path.replace(/(?!^)\/+$/, '').toLowerCase();
  return whole.endsWith('/*') ? [whole, whole.slice(0, -2)] : [whole];
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

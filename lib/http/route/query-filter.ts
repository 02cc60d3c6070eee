import { CacheConfigurationError } from '../../common/errors.js';
import { type FieldContext, type FieldPart, type KeyField, QueryParamsKeyField } from '../../keys/index.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import { uriOf } from './stored-uris.js';

/** The source of a regular expression for a text in which `*` stands for anything. */
export function wildcardPattern(text: string): string {
  return text
    .split('*')
    .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    .join('.*');
}

/**
 * Which query parameters choose between responses: all, these, or all but these.
 *
 * @publicApi
 */
export type QueryOption = '*' | readonly string[] | { readonly ignore: readonly string[] };

/** Decides by its name whether a query parameter counts. */
export class QueryFilter {
  readonly #names: RegExp;
  readonly #isIgnored: boolean;

  private constructor(patterns: readonly string[], isIgnored: boolean) {
    this.#names = new RegExp(`^(?:${patterns.map(wildcardPattern).join('|')})$`);
    this.#isIgnored = isIgnored;
  }

  /** @returns `undefined` where all count. @throws CacheConfigurationError for what is no {@link QueryOption} */
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
      ([name]) => this.#names.test(name) !== this.#isIgnored,
    );
    return Object.fromEntries(entries);
  }

  /** Takes the others from a request: what is not in the key must not be in the answer either. */
  hide(request: object): void {
    const { query } = request as { readonly query?: unknown };
    Reflect.defineProperty(request, 'query', {
      value: this.of(query),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }

  /** The query parameters that count, as a field of a key. */
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

/** Tells whether a request leads to where nothing is to be cached. */
export type ExcludedPaths = (request: KeyRequest, platform: HttpPlatform) => boolean;

/**
 * @param patterns paths, in which `*` stands for anything; `/admin/*` holds `/admin` too
 * @returns `undefined` for none
 */
export function excludedPaths(patterns: readonly string[]): ExcludedPaths | undefined {
  if (patterns.length === 0) return undefined;
  const regexp = new RegExp(`^(?:${patterns.map(toPattern).join('|')})/?$`, 'is');
  // As it came, as routers read it, and as the route has it: one of them may say more than the others.
  return (request, platform) => {
    const path = uriOf(request).replace(/[?#].*$/s, '');
    return [path, decoded(path), platform.routePath(request)].some((one) => regexp.test(one));
  };
}

function toPattern(path: string): string {
  const whole = path.replace(/(?!^)\/+$/, '');
  const isBelow = whole.endsWith('/*');
  const plain = wildcardPattern(isBelow ? whole.slice(0, -2) : whole);
  return isBelow ? `${plain}(?:/.*)?` : plain;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

import { parse } from 'node:querystring';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import { hasBodies } from './cacheable-methods.js';
import type { CachedRoute } from './cached-route.js';
import { type ChangedUri, type StoredUris, uriOf, uriTag } from './stored-uris.js';

/** A longer path is not taken apart: patterns of several parameters take more time than its length. Characters. */
export const MAX_PATH = 2_048;

/** The cached routes by the paths that lead to them: what is stored for the URIs that an unsafe request changed. */
export class RoutePaths implements StoredUris {
  readonly #routes: { readonly route: CachedRoute; readonly pattern: RoutePattern }[] = [];
  #hasUriTags = false;

  constructor(
    private readonly runtime: CacheRuntime,
    readonly platform: HttpPlatform,
  ) {}

  add(route: CachedRoute, pattern: RoutePattern): void {
    if (route.options.freshness === 'headers') this.#hasUriTags = true;
    else this.#routes.push({ route, pattern });
  }

  get isEmpty(): boolean {
    return this.#routes.length === 0 && !this.#hasUriTags;
  }

  tagsOf(uri: ChangedUri, request: KeyRequest): readonly string[] {
    const tags = this.#hasUriTags
      ? [this.runtime.space.userTag(uriTag(uri.host, uri.path + uri.search))]
      : [];
    const path = withoutMount(uri.path, request);
    for (const { route, pattern } of this.#routes) {
      if (path.length > MAX_PATH) {
        if (pattern.hasParams) tags.push(route.target.methodTag);
        continue;
      }
      const params = pattern.match(path);
      if (params !== undefined) tags.push(...this.#tagsOf(route, getOf(uri, path, params, request), params));
    }
    return tags;
  }

  #tagsOf({ target, options }: CachedRoute, request: KeyRequest, params: PathParams): readonly string[] {
    try {
      const call = target.tagged([], request);
      const byBody = hasBodies(options.methods);
      // Answers to other users and to other bodies have keys of their own, which this request does not tell.
      const all =
        target.key.hasIdentity || byBody ? target.partitionTagOf(call, Object.keys(params)) : undefined;
      return [all ?? (byBody ? target.methodTag : target.keyTag(call))];
    } catch (error) {
      this.runtime.log.error(
        `unkeyed change ${target.name}`,
        `An unsafe request to what ${target.name} answers made no key; all that it cached is dropped`,
        error,
      );
      return [target.methodTag];
    }
  }
}

/** The GET that would have brought what an unsafe request changed, sent by the same client. */
function getOf(uri: ChangedUri, path: string, params: PathParams, request: KeyRequest): KeyRequest {
  const uriOfGet = path + uri.search;
  const isOwn = uri.path + uri.search === uriOf(request);
  const overrides = {
    method: 'GET',
    url: uriOfGet,
    params,
    query: isOwn ? request.query : { ...parse(uri.search.slice(1)) },
    body: undefined,
  };
  const own = Object.entries(overrides).map(([name, value]) => [name, { value, enumerable: true }] as const);
  return Object.create(request, Object.fromEntries(own)) as KeyRequest;
}

/** Express applications may be mounted under a path of another one, which their routes do not know. */
function withoutMount(path: string, { baseUrl }: KeyRequest & { readonly baseUrl?: unknown }): string {
  return typeof baseUrl === 'string' && baseUrl !== '' && path.startsWith(baseUrl)
    ? path.slice(baseUrl.length)
    : path;
}

/** Prefixes of the paths of controllers. */
export interface PathPrefixes {
  /** Of the application. */
  readonly global: string;
  /** Before a version that stands in the path, e.g. `v`; `undefined` where versions stand elsewhere. */
  readonly version: string | undefined;
  /** Those of modules that `RouterModule` mounts. */
  readonly modules: readonly string[];
}

/** The parameters that a router takes from a path. */
export type PathParams = Readonly<Record<string, string | readonly string[]>>;

/** The parts of Nest's patterns: `\\x`, `:id`, `:id(\\d+)`, `:id?`, `(.*)`, `*rest`, `{`, `}`, and plain text. */
const PARTS =
  /\\(.)|:([\p{ID_Start}$_][\p{ID_Continue}$]*)(\((?:\\.|[^()\\])+\))?(\?)?|\(\.\*\)|\*([\p{ID_Start}$_][\p{ID_Continue}$]*)?|([{}])|(.)/gsu;

/**
 * Tells whether a path leads to a route, and with which parameters: for paths that no request came by. Generous where routers
 * differ (case, a slash at the end, prefixes that a route leaves out): what it finds is dropped, and one too many costs a load.
 */
export class RoutePattern {
  readonly #groups: { readonly name: string; readonly isWildcard: boolean }[] = [];
  readonly #regexp: RegExp;

  /**
   * @param controllerPaths and `methodPaths`: as Nest's decorators have them
   * @param namesWildcards whether the platform gives wildcards their names, and their segments one by one (Express)
   */
  constructor(
    prefixes: PathPrefixes,
    controllerPaths: readonly string[],
    methodPaths: readonly string[],
    private readonly namesWildcards: boolean,
  ) {
    const version = prefixes.version === undefined ? '' : `(?:/${this.#compile(prefixes.version)}[^/]+)?`;
    const before = `${this.#anyOf([prefixes.global], true)}${version}${this.#anyOf(prefixes.modules, true)}`;
    this.#regexp = new RegExp(
      `^${before}${this.#anyOf(controllerPaths)}${this.#anyOf(methodPaths)}/?$`,
      'iu',
    );
  }

  /** Whether paths of any length may lead to it. */
  get hasParams(): boolean {
    return this.#groups.length > 0;
  }

  /** @param path of a URI, percent-encoded as it came */
  match(path: string): PathParams | undefined {
    const found = this.#regexp.exec(path);
    if (found === null) return undefined;
    const params: Record<string, string | readonly string[]> = {};
    this.#groups.forEach(({ name, isWildcard }, index) => {
      const text = found[index + 1];
      if (text === undefined) return;
      if (!isWildcard) params[name] = decode(text);
      else if (this.namesWildcards) params[name] = text.split('/').map(decode);
      else params['*'] = decode(text);
    });
    return params;
  }

  #anyOf(paths: readonly string[], isOptional = false): string {
    const texts = paths
      .map((path) => path.replace(/^\/+|\/+$/g, ''))
      .map((path) => (path === '' ? '' : `/${path}`));
    const compiled = texts.filter((text) => text !== '').map((text) => this.#compile(text));
    if (compiled.length === 0) return '';
    return `(?:${compiled.join('|')})${isOptional || compiled.length < texts.length ? '?' : ''}`;
  }

  #compile(path: string): string {
    let pattern = '';
    for (const [, escaped, name, custom, optional, wildcard, brace, text] of path.matchAll(PARTS)) {
      if (name !== undefined) {
        const group = this.#group(name, custom === undefined ? '[^/]+?' : '.+?');
        if (optional === undefined) pattern += group;
        else
          pattern = pattern.endsWith('/') ? `${pattern.slice(0, -1)}(?:/${group})?` : `${pattern}${group}?`;
      } else if (brace !== undefined) pattern += brace === '{' ? '(?:' : ')?';
      else if (escaped ?? text) pattern += literal((escaped ?? text)!);
      else pattern += this.#group(wildcard ?? 'path', this.namesWildcards ? '.+' : '.*', true);
    }
    return pattern;
  }

  #group(name: string, pattern: string, isWildcard = false): string {
    this.#groups.push({ name, isWildcard });
    return `(${pattern})`;
  }
}

/** A character as it may stand in a URI: as it is, or percent-encoded. */
function literal(character: string): string {
  const plain = character.replace(/[\\^$.*+?()[\]{}|]/, '\\$&');
  const encoded = encodeURIComponent(character);
  return encoded === character || character === '/' ? plain : `(?:${plain}|${encoded})`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

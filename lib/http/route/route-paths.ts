import { parse } from 'node:querystring';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import { hasBodies } from './cacheable-methods.js';
import type { CachedRoute } from './cached-route.js';
import { canonicalPath, type ChangedUri, type StoredUris, uriOf, uriTagsOf } from './stored-uris.js';

/** Longest path that is matched: patterns with several parameters take more than linear time. Characters. */
export const MAX_PATH = 2_048;

/** Finds the cached routes that a path leads to: the entries to drop for the URIs that an unsafe request changed. */
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
      ? uriTagsOf(uri.host, uri.path + uri.search).map((tag) => this.runtime.space.userTag(tag))
      : [];
    const spellings = pathsOf(uri, request);
    for (const { route, pattern } of this.#routes)
      for (const path of spellings) {
        if (path.length > MAX_PATH) {
          if (pattern.hasParams) tags.push(route.target.methodTag);
          continue;
        }
        const params = pattern.match(path);
        if (params !== undefined)
          tags.push(...this.#tagsOf(route, getOf(uri, path, params, request), params));
      }
    return tags;
  }

  #tagsOf({ target, options }: CachedRoute, request: KeyRequest, params: PathParams): readonly string[] {
    try {
      const call = target.tagged([], request);
      const byBody = hasBodies(options.methods);
      // The user and the body are part of the key, and the request does not tell those of other entries.
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

/** The GET for the URI that an unsafe request changed, as the same client would send it. */
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

/**
 * The paths under which a router may have found the handler: as the client sent it, as upstream code rewrote it, and both without what
 * routers may ignore.
 */
function pathsOf(uri: ChangedUri, request: KeyRequest): Iterable<string> {
  const isOwn = uri.path + uri.search === uriOf(request);
  const [rewritten = ''] = isOwn ? (request.url ?? '').split('?', 1) : [];
  const paths = [withoutMount(uri.path, request), ...(rewritten === '' ? [] : [rewritten])];
  return new Set(paths.flatMap((path) => [path, canonicalPath(path)]));
}

/** An Express application may be mounted under a path of another one, which its routes do not know. */
function withoutMount(path: string, { baseUrl }: KeyRequest & { readonly baseUrl?: unknown }): string {
  return typeof baseUrl === 'string' && baseUrl !== '' && path.startsWith(baseUrl)
    ? path.slice(baseUrl.length)
    : path;
}

/** Prefixes of the paths of controllers. */
export interface PathPrefixes {
  /** Global prefix of the application. */
  readonly global: string;
  /** Prefix of versions in the path, e.g. `v`; `undefined` if versions are not in the path. */
  readonly version: string | undefined;
  /** Prefixes of modules that `RouterModule` mounts. */
  readonly modules: readonly string[];
}

/** Parameters that a router reads from a path. */
export type PathParams = Readonly<Record<string, string | readonly string[]>>;

/** Tokens of Nest's patterns: `\\x`, `:id`, `:id(\\d+)`, `:id?`, `(.*)`, `*rest`, `{`, `}`, and plain text. */
const PARTS =
  /\\(.)|:([\p{ID_Start}$_][\p{ID_Continue}$]*)(\((?:\\.|[^()\\])+\))?(\?)?|\(\.\*\)|\*([\p{ID_Start}$_][\p{ID_Continue}$]*)?|([{}])|(.)/gsu;

/**
 * Tells whether a path leads to a route, and its parameters, for paths that no request had. It accepts more than routers do if they differ
 * (case, a slash at the end, prefixes that a route leaves out): entries that it finds are dropped, and one too many costs a load.
 */
export class RoutePattern {
  readonly #groups: { readonly name: string; readonly isWildcard: boolean }[] = [];
  readonly #regexp: RegExp;

  /**
   * @param controllerPaths and `methodPaths`: the arguments of Nest's decorators
   * @param namesWildcards true if the platform names wildcards and splits their segments (Express)
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

  /** True if paths with any number of segments may lead to the route. */
  get hasParams(): boolean {
    return this.#groups.length > 0;
  }

  /** @param path path of a URI, percent-encoded as received */
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

/** A pattern for a character in a URI, plain or percent-encoded. */
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

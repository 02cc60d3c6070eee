import { parse } from 'node:querystring';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import { hasBodies } from './cacheable-methods.js';
import type { CachedRoute } from './cached-route.js';
import type { HttpPlatform } from '../platform.interface.js';
import type { PathParams, RoutePattern } from './route-pattern.js';
import { type ChangedUri, type StoredUris, uriOf, uriTag } from './stored-uris.js';

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
      const params = pattern.match(path);
      if (params !== undefined) tags.push(...this.#tagsOf(route, getOf(uri, path, params, request), params));
    }
    return tags;
  }

  #tagsOf({ target, options }: CachedRoute, request: KeyRequest, params: PathParams): readonly string[] {
    try {
      const call = target.call(undefined, [], request);
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

import { createHash } from 'node:crypto';
import type { KeyRequest } from '../../keys/key.interface.js';
import { KeyConstructor, RequestValueKeyField } from '../../keys/index.js';
import type { HttpPlatform } from '../platform.interface.js';

/** The key of a route with `freshness: 'headers'`: the URI as received, byte for byte. The host is added before it. */
export class UriKeyConstructor extends KeyConstructor {
  uri = new RequestValueKeyField('originalUrl');
}

const MAX_TAG = 200;

/**
 * The tag of every entry for a URI. An unsafe request drops it, or the application:
 * `cache.invalidateTags(['uri:example.com/articles?page=2'])`. Coarser than the key: spellings of one URI have the same tag.
 */
export function uriTag(host: string, uri: string): string {
  const tag = `uri:${normalised(host, uri)}`;
  return tag.length <= MAX_TAG ? tag : `uri:#${createHash('sha256').update(tag).digest('base64url')}`;
}

/** The tag of a URI, and that of the spelling which stands for all that a router may take for the same path. */
export function uriTagsOf(host: string, uri: string): readonly string[] {
  const end = uri.search(/[?#]/);
  const path = end < 0 ? uri : uri.slice(0, end);
  const tag = uriTag(host, uri);
  if (!path.startsWith('/')) return [tag];
  const canonical = uriTag(host, canonicalPath(path).toLowerCase() + uri.slice(path.length));
  return tag === canonical ? [tag] : [tag, canonical];
}

/** RFC 3986 §2.3: an escaped one of these is the character itself. */
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;

/** A path as routers may read it: without repeated slashes, a slash at the end, and escapes that say nothing. */
export function canonicalPath(path: string): string {
  const unescaped = path.replace(/%[0-9a-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape;
  });
  const single = unescaped.replace(/\/{2,}/g, '/');
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single;
}

export function hostHeader({ headers }: KeyRequest): string {
  return String(headers['host'] ?? headers[':authority'] ?? '');
}

export function uriOf(request: KeyRequest): string {
  return (request as { readonly originalUrl?: string }).originalUrl ?? request.url ?? '';
}

function normalised(host: string, uri: string): string {
  const text = uri.startsWith('/') ? `http://${host}${uri}` : uri;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url === undefined ? host.toLowerCase() + uri : url.host + url.pathname + url.search;
}

type Tags = readonly string[] | ((request: never) => readonly string[]) | undefined;

/** The tags of a route, and that of the URI. */
export function withUriTag(tags: Tags): (request: KeyRequest) => readonly string[] {
  return (request) => {
    const own = typeof tags === 'function' ? tags(request as never) : (tags ?? []);
    return [...own, ...uriTagsOf(hostHeader(request), uriOf(request))];
  };
}

/** A URI that a successful unsafe request changed. */
export interface ChangedUri {
  readonly host: string;
  readonly path: string;
  /** Query with its question mark; empty without a query. */
  readonly search: string;
}

/** Finds the entries for URIs. */
export interface StoredUris {
  readonly platform: HttpPlatform;
  /** The tags of the entries for a URI. @param request the unsafe request that changed it */
  tagsOf(uri: ChangedUri, request: KeyRequest): readonly string[];
}

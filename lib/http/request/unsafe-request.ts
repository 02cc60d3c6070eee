import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { ResponseHead } from '../platform.interface.js';
import { type ChangedUri, hostHeader, type StoredUris, uriOf } from '../route/stored-uris.js';

/** Drops entries with these tags without delaying a response. Entries in memory are dropped when it returns. */
export function bumpInBackground(
  runtime: CacheRuntime,
  tags: readonly string[],
  mode: 'purge' | 'expire',
): void {
  Promise.resolve(runtime.bump(tags, mode, 'response')).catch((error: unknown) => {
    runtime.log.error(
      'bump of a response',
      'A stored response was not dropped and may be served until its TTL ends',
      error,
    );
  });
}

/** Safe methods (RFC 9110 §9.2.1 and the registry of methods). Unknown methods count as unsafe (RFC 9111 §4.4). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH']);

export function isUnsafe(method: string | undefined): boolean {
  return !SAFE.has(method ?? 'GET');
}

/**
 * Drops the entries for the URI of an unsafe request, and for those of its Location and Content-Location on the same host, as soon as its
 * answer is known not to be an error (RFC 9111 §4.4).
 */
export function invalidateOnSuccess(
  runtime: CacheRuntime,
  stored: StoredUris,
  request: KeyRequest,
  response: object,
): void {
  stored.platform.record(request, response, {
    maxBodyBytes: 0,
    head: (head) => {
      if (head.status >= 200 && head.status < 400) drop(runtime, stored, request, head);
      return undefined;
    },
    done: () => undefined,
  });
}

function drop(runtime: CacheRuntime, stored: StoredUris, request: KeyRequest, head: ResponseHead): void {
  const tags = new Set(changedUris(request, head).flatMap((uri) => stored.tagsOf(uri, request)));
  if (tags.size === 0) return;
  runtime.invalidationHistory?.note(tags, `${request.method} ${uriOf(request)}`);
  bumpInBackground(runtime, [...tags], 'purge');
}

function changedUris(request: KeyRequest, { headers }: ResponseHead): readonly ChangedUri[] {
  const base = `http://${hostHeader(request)}${uriOf(request)}`;
  const [path = '', search] = splitOnce(uriOf(request));
  const uris: ChangedUri[] = [
    { host: hostHeader(request), path, search: search === undefined ? '' : `?${search}` },
  ];
  for (const name of ['location', 'content-location']) {
    const target = headers[name];
    if (typeof target !== 'string' || !URL.canParse(base) || !URL.canParse(target, base)) continue;
    const { host, pathname, search: query } = new URL(target, base);
    if (host === new URL(base).host) uris.push({ host, path: pathname, search: query });
  }
  return uris;
}

function splitOnce(uri: string): readonly [string, string?] {
  const at = uri.indexOf('?');
  return at < 0 ? [uri] : [uri.slice(0, at), uri.slice(at + 1)];
}

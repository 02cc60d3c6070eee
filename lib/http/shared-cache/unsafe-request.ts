import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform, ResponseHead } from '../http-platform.interface.js';
import { bumpBehind } from './bump-behind.js';
import { hostHeader, uriOf, uriTag, uriTagOf } from './uri-key.js';

/** RFC 9110 §9.2.1 and the registry of methods. What is not known to be safe is not (RFC 9111 §4.4). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH']);

export function isUnsafe(method: string | undefined): boolean {
  return !SAFE.has(method ?? 'GET');
}

/**
 * Drops what is stored for the URI of an unsafe request, and for those of its Location and Content-Location on the same
 * host, as soon as its answer proves to be no error (RFC 9111 §4.4).
 */
export function invalidateByAnswer(
  runtime: CacheRuntime,
  platform: HttpPlatform,
  request: KeyRequest,
  response: object,
): void {
  platform.record(request, response, {
    maxBodyBytes: 0,
    head: (head) => {
      if (head.status >= 200 && head.status < 400) dropTags(runtime, tagsOf(request, head));
      return undefined;
    },
    done: () => undefined,
  });
}

function dropTags(runtime: CacheRuntime, tags: readonly string[]): void {
  const names = tags.map((tag) => runtime.space.userTag(tag));
  bumpBehind(runtime, names, 'purge');
}

function tagsOf(request: KeyRequest, { headers }: ResponseHead): readonly string[] {
  const tags = new Set([uriTagOf(request)]);
  const base = `http://${hostHeader(request)}${uriOf(request)}`;
  for (const name of ['location', 'content-location']) {
    const target = headers[name];
    if (typeof target !== 'string' || !URL.canParse(base) || !URL.canParse(target, base)) continue;
    const { host, pathname, search } = new URL(target, base);
    if (host === new URL(base).host) tags.add(uriTag(host, pathname + search));
  }
  return [...tags];
}

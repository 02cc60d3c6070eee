import type { Call } from '../cache/engine/call.js';
import { cacheStatusHeader, type CacheStatusParameters } from './answer/cache-status-header.js';
import type { CachedRoute } from './route/cached-route.js';
import type { AddedHeaders } from './platform.interface.js';
import type { ExplainedRequest, Explainer } from './explainer.js';

/** Outer caches must not hand out what one client alone may see. */
const UNSHARED: AddedHeaders = { 'Cache-Control': 'no-store', 'CDN-Cache-Control': 'no-store' };

/** What became of one request, for one who asked why. */
export class Explanation {
  /** `undefined` until its key is known. */
  call: Call | undefined;

  constructor(
    private readonly explainer: Explainer,
    private readonly route: CachedRoute,
    private readonly request: ExplainedRequest,
    /** Whether a signed header asked for it. */
    private readonly isSigned: boolean,
  ) {}

  /**
   * `Cache-Status` with all there is to say; said in the log too.
   *
   * @param before what caches nearer to the origin said
   * @param because a sentence for the log
   */
  headers(
    said: CacheStatusParameters,
    before?: Parameters<typeof cacheStatusHeader>[1],
    because?: string,
  ): AddedHeaders {
    const { call, explainer, request, route } = this;
    const more = call === undefined ? {} : this.#tellsOf(call, said);
    const header = cacheStatusHeader({ ...said, detail: said.detail ?? said.why, more }, before);
    const lines = [`${route.target.name} ${request.method} ${request.url}: ${header['Cache-Status']}`];
    if (because !== undefined) lines.push(because);
    if (call !== undefined) lines.push(`made of ${route.target.key.partsOf(call)}`);
    explainer.log(lines.join('; '));
    return this.isSigned ? { ...header, ...UNSHARED } : header;
  }

  #tellsOf(call: Call, { hit, stored }: CacheStatusParameters): Readonly<Record<string, string>> {
    const { key, variant } = call;
    const tags = call.entry?.stamp.tags ?? call.tags();
    const cause = hit === true ? undefined : this.explainer.causeOf(key, tags);
    if (hit === true || stored === true) this.explainer.saw(key, tags);
    return {
      key,
      ...(variant === '' ? {} : { variant: variant.slice(1) }),
      tags: tags.join(' '),
      ...(cause === undefined ? {} : { 'dropped-by': cause }),
    };
  }
}

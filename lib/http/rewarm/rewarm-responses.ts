import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Clock } from '../../common/time.js';
import type { MethodTarget } from '../../cache/method-target.js';
import type { Origin } from '../route/recent-hosts.js';
import type { CachedRoute } from '../route/cached-route.js';
import { askServer, messageOf, NO_ANSWER } from './in-process-request.js';

interface RequestToRepeat {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where a request is to be sent. */
interface Destination {
  readonly path: string;
  readonly origins: readonly Origin[];
}

/**
 * Has answers cached anew that were dropped: requests to the application's own server, with no credentials but those they declare. To
 * the cache they are requests like any other, so what a client has brought since the change will do.
 */
export class RewarmResponses {
  constructor(
    private readonly routeOf: (target: MethodTarget) => CachedRoute | undefined,
    /** The HTTP server of the application, where it has one. */
    private readonly server: () => unknown,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns why the answer cannot be asked for here, or is not stored
   * @throws Error when the handler failed
   */
  async ask(target: MethodTarget, { url, headers = {} }: RequestToRepeat): Promise<string | undefined> {
    const server = this.server();
    const route = this.routeOf(target);
    if (route === undefined || !(server instanceof HttpServer || server instanceof HttpsServer))
      return 'this process has no HTTP/1.1 server that answers it';
    const own = lowerCased(headers);
    const { path, origins } = destination(route, url, own['host']);
    if (origins.length === 0)
      return `nobody has asked this process for it, so that its host is not known; write url: 'https://shop.example/…'`;
    for (const origin of origins) {
      const all = { ...origin.headers, ...own };
      const rawHeaders = Object.entries(all).flat();
      const message = messageOf({ url: path, headers: all, rawHeaders, peer: origin.peer });
      const status = await askServer(server, message, this.clock);
      if (status === NO_ANSWER || status >= 500)
        throw new Error(`GET ${path} ${status === NO_ANSWER ? 'came to no answer' : `answered ${status}`}`);
      if (!route.options.statuses.has(status)) return `GET ${path} answered ${status}, which is not stored`;
    }
    return undefined;
  }
}

function destination(route: CachedRoute, url: string, declared: string | undefined): Destination {
  if (url.startsWith('/')) {
    const origins = route.origins?.of(declared) ?? [];
    if (origins.length > 0 || declared === undefined) return { path: url, origins };
    return { path: url, origins: [unknownPeer(declared, false)] };
  }
  const { host, pathname, search, protocol } = new URL(url);
  const known = route.origins?.of(host) ?? [];
  const origins = known.length > 0 ? known : [unknownPeer(host, protocol === 'https:')];
  return { path: pathname + search, origins };
}

/** A host by which no client came yet. */
function unknownPeer(host: string, encrypted: boolean): Origin {
  return { headers: { host }, peer: { remoteAddress: '127.0.0.1', remoteFamily: 'IPv4', encrypted } };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

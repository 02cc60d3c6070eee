import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { MethodTarget } from '../../cache/method-target.js';
import type { Clock } from '../../common/time.js';
import type { Peer } from '../platform.interface.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { RecentHost } from '../route/recent-hosts.js';
import { MAX_PATH } from '../route/route-paths.js';
import { peerAt, unusedAddress } from './client-address.js';
import {
  createMessage,
  NO_ANSWER,
  originalOf,
  type Repeatable,
  sendInProcess,
} from './in-process-request.js';

interface RequestToRepeat {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The routes of the application, as far as rewarming needs them. */
export interface RewarmRoutes {
  routeOf(target: MethodTarget): CachedRoute | undefined;
  /** True if a path leads to a route. */
  leadsTo(route: CachedRoute, path: string): boolean;
}

/** Target of a rewarm request. */
interface Destination {
  readonly path: string;
  readonly origins: readonly RecentHost[];
}

/**
 * Caches dropped answers again, by requests to the application's own server that carry only the headers their rule names. The cache treats
 * them like any other request, so an answer that a client has loaded since the change is kept.
 */
export class RewarmResponses {
  constructor(
    private readonly routes: () => RewarmRoutes | undefined,
    /** The HTTP server of the application, if it has one. */
    private readonly server: () => unknown,
    private readonly clock: Clock,
  ) {}

  /**
   * @param isTrusted true if the request provably comes from a rule of the application; other requests reach only their own route, and
   * carry only headers that its key contains
   * @returns the reason why the answer cannot be loaded here, or is not stored; `undefined` if it is
   * @throws Error if the handler failed
   */
  async rewarm(
    target: MethodTarget,
    { url, headers = {} }: RequestToRepeat,
    isTrusted: boolean,
  ): Promise<string | undefined> {
    const server = this.server();
    const route = this.routes()?.routeOf(target);
    if (route === undefined || !(server instanceof HttpServer || server instanceof HttpsServer))
      return 'this process has no HTTP/1.1 server that answers it';
    const own = lowerCased(headers);
    const { path, origins } = destination(route, url, own['host']);
    const refusal = isTrusted ? undefined : this.#refusalOf(route, path, own);
    if (refusal !== undefined) return refusal;
    if (origins.length === 0)
      return `nobody has asked this process for it, so that its host is not known; write url: 'https://shop.example/…'`;
    for (const origin of origins) {
      const all = { ...origin.headers, ...own };
      const rawHeaders = Object.entries(all).flat();
      const message = createMessage({ url: path, headers: all, rawHeaders, peer: ownPeer(origin) });
      const status = await (isTrusted
        ? sendInProcess(server, message, this.clock)
        : withinRoute(message, route, () => sendInProcess(server, message, this.clock)));
      if (status === NO_ANSWER || status >= 500)
        throw new Error(`GET ${path} ${status === NO_ANSWER ? 'came to no answer' : `answered ${status}`}`);
      if (!route.options.statuses.has(status)) return `GET ${path} answered ${status}, which is not stored`;
    }
    return undefined;
  }

  #refusalOf(
    route: CachedRoute,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): string | undefined {
    const unheld = Object.keys(headers).find((name) => name !== 'host' && !route.keyHolds(name));
    if (unheld !== undefined)
      return `its request carries the header '${unheld}', which its key does not hold: forRoot({ jobSecret }) signs such requests`;
    return isPlainPath(path) && this.routes()?.leadsTo(route, path.split('?', 1)[0]!) === true
      ? undefined
      : `its request does not ask for its own route: ${JSON.stringify(path)}`;
  }
}

/** True if routers and middleware cannot read different paths from a URL. */
function isPlainPath(path: string): boolean {
  const [name = ''] = path.split('?', 1);
  return (
    name.length <= MAX_PATH &&
    /^[!-~]*$/.test(path) &&
    !/[#\\]|%(?:2f|5c|2e|00)|\/\.{1,2}(?:\/|$)|\/\//i.test(name)
  );
}

/** A rate limiter must not count the request as one of the client that brought the host, unless that is a proxy. */
function ownPeer({ headers, peer }: RecentHost): Peer {
  const isProxied = headers['x-forwarded-host'] !== undefined || headers['x-forwarded-proto'] !== undefined;
  const { remoteAddress } = peer;
  return isProxied || remoteAddress === undefined ? peer : peerAt(peer, unusedAddress(remoteAddress));
}

/** Untrusted requests by the handler that they may reach. */
const confined = new WeakMap<object, CachedRoute>();
let confinedNow = 0;

async function withinRoute<T>(message: object, route: CachedRoute, send: () => Promise<T>): Promise<T> {
  confined.set(message, route);
  confinedNow++;
  try {
    return await send();
  } finally {
    confinedNow--;
  }
}

/** True if an untrusted request reached a handler other than its own, which must not run. */
export function isAstray(request: object, route: CachedRoute | undefined): boolean {
  if (confinedNow === 0) return false;
  const own = confined.get(originalOf(request as Repeatable));
  return own !== undefined && own !== route;
}

function destination(route: CachedRoute, url: string, declared: string | undefined): Destination {
  if (url.startsWith('/')) {
    const origins = route.recentHosts?.of(declared) ?? [];
    if (origins.length > 0 || declared === undefined) return { path: url, origins };
    return { path: url, origins: [unknownPeer(declared, false)] };
  }
  const { host, pathname, search, protocol } = new URL(url);
  const known = route.recentHosts?.of(host) ?? [];
  const origins = known.length > 0 ? known : [unknownPeer(host, protocol === 'https:')];
  return { path: pathname + search, origins };
}

/** An address reserved for documentation (RFC 5737): applications trust loopback addresses more than others. */
const NO_ADDRESS = '192.0.2.1';

/** The host of requests for which no client has named one. */
function unknownPeer(host: string, encrypted: boolean): RecentHost {
  return { headers: { host }, peer: { remoteAddress: NO_ADDRESS, remoteFamily: 'IPv4', encrypted } };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

import { EventEmitter } from 'node:events';
import { type IncomingMessage, Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { MethodTarget } from '../../cache/method-target.js';
import type { Clock } from '../../common/time.js';
import type { Peer } from '../platform.interface.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { RecentHost } from '../route/recent-hosts.js';
import { MAX_PATH } from '../route/route-paths.js';
import { sendInProcess, createMessage, NO_ANSWER } from './in-process-request.js';

interface RequestToRepeat {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The routes of the application, as far as requests to them are repeated. */
export interface RewarmRoutes {
  routeOf(target: MethodTarget): CachedRoute | undefined;
  /** True if a path is one of a route's own. */
  leadsTo(route: CachedRoute, path: string): boolean;
}

/** Where a request is to be sent. */
interface Destination {
  readonly path: string;
  readonly origins: readonly RecentHost[];
}

/**
 * Has answers cached anew that were dropped: requests to the application's own server, with no credentials but those they declare. To
 * the cache they are requests like any other, so what a client has brought since the change will do.
 */
export class RewarmResponses {
  constructor(
    private readonly routes: () => RewarmRoutes | undefined,
    /** The HTTP server of the application, where it has one. */
    private readonly server: () => unknown,
    private readonly clock: Clock,
  ) {}

  /**
   * @param isTrusted whether the request is known to come from a rule of the application; others reach their own route alone, and
   *   carry only headers that its key holds
   * @returns why the answer cannot be asked for here, or is not stored
   * @throws Error when the handler failed
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
      const message = createMessage({ url: path, headers: all, rawHeaders, peer: origin.peer });
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

/** True if routers and middleware cannot read different paths from it. */
function isPlainPath(path: string): boolean {
  const [name = ''] = path.split('?', 1);
  return (
    name.length <= MAX_PATH &&
    /^[!-~]*$/.test(path) &&
    !/[#\\]|%(?:2f|5c|2e|00)|\/\.{1,2}(?:\/|$)|\/\//i.test(name)
  );
}

/** Requests that may reach one handler alone. */
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

/** True if a request that a queue asked for came to another handler than its own, which is not to be run. */
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

/** An address that belongs to nobody (RFC 5737): applications trust loopback addresses more than others. */
const NO_ADDRESS = '192.0.2.1';

/** A host by which no client came yet. */
function unknownPeer(host: string, encrypted: boolean): RecentHost {
  return { headers: { host }, peer: { remoteAddress: NO_ADDRESS, remoteFamily: 'IPv4', encrypted } };
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Requests repeated at one time; beyond it the client waits for the handler. */
const MAX_REPEATED = 100;

interface Repeatable {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: IncomingMessage;
}

/**
 * Repeats requests in the background (RFC 5861 §3): each goes through the application's own server once more, guards and
 * middleware included, and its answer is only stored. A HEAD is repeated as a GET, which can be stored.
 */
export class BackgroundRequests {
  readonly #running = new Map<string, Promise<number>>();
  readonly #messages = new WeakSet<object>();

  constructor(private readonly clock: Clock) {}

  /** True if a request is one of these: nothing stored may answer it. */
  has(request: object): boolean {
    return this.#messages.has((request as Repeatable).raw ?? request);
  }

  /**
   * One at a time for a key.
   * @returns the status of the answer, or `NO_ANSWER`; nothing where there is no server to give the request to, or too
   *   many are under way
   */
  start(key: string, request: object): Promise<number> | undefined {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const original = originalOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return undefined;
    // The body of a request has gone by.
    if (original.method !== 'GET' && original.method !== 'HEAD') return undefined;
    if (this.#running.size >= MAX_REPEATED) return undefined;
    const message = repeatOf(original);
    this.#messages.add(message);
    const answer = sendInProcess(server, message, this.clock).finally(() => this.#running.delete(key));
    this.#running.set(key, answer);
    return answer;
  }
}

function originalOf(request: Repeatable): IncomingMessage {
  return request.raw ?? (request as unknown as IncomingMessage);
}

function repeatOf(original: IncomingMessage): IncomingMessage {
  return createMessage({
    url: (original as { readonly originalUrl?: string }).originalUrl ?? original.url,
    headers: original.headers,
    rawHeaders: original.rawHeaders,
    peer: original.socket as Socket & Peer,
    httpVersion: original.httpVersion,
  });
}

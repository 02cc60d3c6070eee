import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { Call } from '../../cache/engine/call.js';
import { assertSynchronous } from '../../common/async.js';
import { ResponseCacheKeyConstructor } from '../../keys/index.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import type { BypassReason } from '../exchange.js';
import { cookieNames } from '../inputs/cookies.js';
import { messageOf, watchOf } from '../inputs/request-watch.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { ResponseOptions } from '../route/response-options.js';
import type { RequestDirectives } from './directives.js';
import { mayHavePart } from './preconditions.js';
import { isUnsafe } from './unsafe-request.js';

/** Cookies that a log line names: a client may send thousands. */
const MAX_NAMED_COOKIES = 8;

const ALL_CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/** Conditions that only the origin can evaluate (RFC 9110 §13.1.1, §13.1.4). */
const ORIGIN_CONDITIONS = ['if-match', 'if-unmodified-since'];

const NO_CONDITIONS: readonly string[] = [];
const NO_COOKIES: readonly string[] = [];

/** Decides before the lookup whether a request to a cached route may be answered from the cache. */
export class Admission {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly isAuthenticated: IsAuthenticated,
  ) {}

  /** The call of a request, or the reason why it bypasses the cache. */
  admit(route: CachedRoute, request: KeyRequest, { noStore }: RequestDirectives): Call | BypassReason {
    const { headers, method } = request;
    const { options, target } = route;
    const byTtl = options.freshness === 'ttl';
    if (!route.caches(method)) return 'method';
    const unseen = byTtl ? this.#refusalOfUnseen(route, request) : undefined;
    if (unseen !== undefined) return unseen;
    if (noStore) return 'no-store';
    if (byTtl && headers['range'] !== undefined && !mayHavePart(request)) return 'range';
    for (const name of handlerConditions(options, method))
      if (headers[name] !== undefined) return 'condition';
    try {
      if (!this.runtime.mayUse()) return this.runtime.enabled ? 'transaction' : 'disabled';
      if (missesBody(request, target.key.readsBody)) return this.#warnOfBody(route);
      if (options.everything?.paths?.(request, route.platform) === true) return 'excluded';
      // With `freshness: 'headers'` the headers of the answer decide whether it may be shared.
      const refusal = byTtl ? this.#refusalOfPrivate(route, request) : undefined;
      if (refusal !== undefined) return refusal;
      const isBypassed = options.bypass !== undefined && assertSynchronous(options.bypass(request));
      return isBypassed ? 'option' : route.call(request);
    } catch (error) {
      const { name } = target;
      this.runtime.log.error(`unkeyed ${name}`, `A request to ${name} was not cached`, error);
      return 'unkeyed';
    }
  }

  /** True if a request carries credentials, or if `isAuthenticated` fails. */
  mayBeAuthenticated(request: object): boolean {
    try {
      return this.isAuthenticated(request);
    } catch (error) {
      this.runtime.log.error(
        'isAuthenticated',
        'The function given as isAuthenticated failed; the request counts as authenticated',
        error,
      );
      return true;
    }
  }

  /** A request bypasses the cache if code may have read it before the watch began, or if its target is not a path of this host. */
  #refusalOfUnseen(route: CachedRoute, request: KeyRequest): BypassReason | undefined {
    const { name } = route.target;
    const watch = watchOf(request);
    if (watch === undefined || watch.isLate || watch.isReplaced) {
      const what =
        watch?.isReplaced === true
          ? 'middleware replaced request.headers, so that reads of them went unseen. Have it change single headers'
          : 'middleware may have read the request unseen. Put watchRequests(app) before it';
      return this.#refuse(route, 'unwatched', `${name} bypasses the cache: ${what}.`);
    }
    return watch.target.startsWith('/') ? undefined : 'target';
  }

  #warnOfBody(route: CachedRoute): BypassReason {
    const { name, key, definition } = route.target;
    const why = key.readsBody
      ? `a body that no parser took: enable one for its type, e.g. app.useBodyParser('text')`
      : `a body, which its key does not hold: if it reads the body, ${bodyAdvice(definition.keyConstructor)}`;
    return this.#refuse(route, 'body', `A request to ${name} was not cached: it has ${why}.`);
  }

  /** True if the answer may be meant for one user only, and the key does not identify the user. */
  #refusalOfPrivate(route: CachedRoute, request: KeyRequest): BypassReason | undefined {
    const { options, target } = route;
    if (options.shared) return undefined;
    if (this.isAuthenticated(request)) {
      if (target.key.hasIdentity) return this.#refusalOfUnidentified(route, request);
      return this.#refuse(
        route,
        'authenticated',
        `${target.name} bypasses the cache for authenticated requests. If its answer is the same for all, say shared: true; ` +
          `if it depends on the user, give it a keyConstructor with new RequestValueKeyField('user.id').`,
      );
    }
    const { cookie } = request.headers;
    return cookie === undefined ? undefined : this.#refusalOfCookies(route, request, cookie);
  }

  /** Any cookie may be a credential: a session that middleware resolves, for example. */
  #refusalOfCookies(
    route: CachedRoute,
    request: KeyRequest,
    cookie: string | string[],
  ): BypassReason | undefined {
    const { target } = route;
    const unheld = unheldCookies(route, cookie);
    if (unheld.length === 0) return undefined;
    if (target.key.hasIdentity && target.key.identifies({ args: [], request })) return undefined;
    const names = unheld.slice(0, MAX_NAMED_COOKIES).map((name) => `'${name}'`);
    return this.#refuse(
      route,
      'cookie',
      `${target.name} bypasses the cache for requests with the cookies ${names.join(', ')}: they may tell users apart. If they do ` +
        `not matter to any answer, say forRoot({ ignoreCookies: [${names.join(', ')}] }); if they choose its answer, decorate it with ` +
        `@VaryOnCookie(), or hold them: new CookiesKeyField([${names.join(', ')}]); if its answer is the same for all, say shared: true.`,
    );
  }

  /** True if a request carries credentials, but none in the fields of the key: its key would be that of an anonymous request. */
  #refusalOfUnidentified(route: CachedRoute, request: KeyRequest): BypassReason | undefined {
    const { target } = route;
    if (target.key.identifies({ args: [], request })) return undefined;
    return this.#refuse(
      route,
      'unidentified',
      `${target.name} bypasses the cache for requests whose credentials its key does not see: what its keyConstructor reads of ` +
        `the user is empty. Check that a guard sets it (e.g. request.user.id), or read what it does set.`,
    );
  }

  /** Logs why requests to a route bypass the cache, and keeps it for reports. */
  #refuse({ target }: CachedRoute, why: BypassReason, line: string): BypassReason {
    target.counters.refusals.explain(why, line);
    this.runtime.log.warn(`${why} ${target.name}`, line);
    return why;
  }
}

/** Names of the cookies of a request that are not ignored and that the key of its route does not hold: any of them may tell users apart. */
export function unheldCookies(
  { held, inputs, options }: CachedRoute,
  cookie: string | string[] | undefined,
): readonly string[] {
  if (cookie === undefined || options.shared || held.headers.has('cookie')) return NO_COOKIES;
  const cookies = held.members.get('cookies');
  return [...cookieNames(cookie)].filter(
    (name) => cookies?.has(name) !== true && !inputs.isIgnoredCookie(name),
  );
}

/** Headers with conditions that are left to the handler: a request with one of them bypasses the cache. */
function handlerConditions({ freshness, conditional }: ResponseOptions, method = 'GET'): readonly string[] {
  if (freshness === 'headers') return ORIGIN_CONDITIONS;
  const isSafe = method === 'GET' || method === 'HEAD' || !isUnsafe(method);
  return isSafe && conditional === 'cache' ? NO_CONDITIONS : ALL_CONDITIONS;
}

/**
 * True if a request has a body that its key does not contain: no field reads it, or no parser has read it. A GET may have a body too, and a
 * handler may read it (RFC 9110 §9.3.1).
 */
function missesBody(request: KeyRequest, readsBody: boolean): boolean {
  const { headers, body } = request;
  const length = headers['content-length'];
  if (length === undefined) {
    if (headers['transfer-encoding'] === undefined && !mayBeSilent(request)) return false;
    // Serverless adapters set it as a number, on requests without a body too.
  } else if (Number(length) === 0) return false;
  if (!readsBody || body === undefined || body === null) return true;
  // Some parsers set an empty object if the type of the body is not theirs.
  const isBare = typeof body === 'object' && !Buffer.isBuffer(body) && Object.keys(body).length === 0;
  return isBare && !/json|urlencoded/i.test(String(headers['content-type'] ?? ''));
}

/** Over HTTP/2 a request may have a body or trailers without Content-Length and Transfer-Encoding. */
function mayBeSilent(request: KeyRequest): boolean {
  const { method, headers } = request;
  if (headers[':method'] === undefined) return false;
  const { stream } = messageOf(request) as { readonly stream?: { readonly endAfterHeaders?: boolean } };
  return stream?.endAfterHeaders === false || (method !== 'GET' && method !== 'HEAD');
}

/** The lines to write so that the key contains the body. A handler without a keyConstructor needs a class. */
function bodyAdvice(keyConstructor: unknown): string {
  return keyConstructor === ResponseCacheKeyConstructor
    ? `write keyConstructor: PageKey, with class PageKey extends ResponseCacheKeyConstructor { body = new BodyKeyField() }`
    : `add body: new BodyKeyField() to its keyConstructor`;
}

/** Tells whether a request carries credentials, so that its answer may be meant for one user only. */
export type IsAuthenticated = (request: object) => boolean;

interface MaybeAuthenticated {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly user?: unknown;
  readonly session?: {
    readonly user?: unknown;
    readonly userId?: unknown;
    readonly passport?: { readonly user?: unknown };
  } | null;
  readonly socket?: {
    readonly encrypted?: boolean;
    readonly authorized?: boolean;
    getPeerCertificate?: () => object | null;
  };
  readonly raw?: { readonly socket?: MaybeAuthenticated['socket'] };
}

/**
 * The default of `isAuthenticated`: an Authorization or x-api-key header, `request.user`, a user in the session, or a
 * client certificate. Answers that depend on other credentials need `isAuthenticated`, `identity` or `bypass`.
 */
export const isAuthenticatedByDefault: IsAuthenticated = (request) => {
  const { headers, user, session } = request as MaybeAuthenticated;
  return (
    headers['authorization'] !== undefined ||
    headers['x-api-key'] !== undefined ||
    (user !== undefined && user !== null) ||
    (session !== undefined && session !== null && hasSessionUser(session)) ||
    hasClientCertificate(
      (request as MaybeAuthenticated).socket ?? (request as MaybeAuthenticated).raw?.socket,
    )
  );
};

function hasSessionUser(session: NonNullable<MaybeAuthenticated['session']>): boolean {
  return (session.user ?? session.userId ?? session.passport?.user) != null;
}

/** True if the client of a connection has presented a certificate. */
export function hasClientCertificate(connection: MaybeAuthenticated['socket']): boolean {
  if (connection?.encrypted !== true || connection.getPeerCertificate === undefined) return false;
  return Object.keys(connection.getPeerCertificate() ?? {}).length > 0;
}

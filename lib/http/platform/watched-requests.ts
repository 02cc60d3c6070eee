import { allowClones } from '../inputs/cloned-headers.js';
import { LeftMembers } from '../inputs/left-members.js';
import { type WatchedMessage, watchRequest } from '../inputs/request-watch.js';

type Middleware = (request: WatchedMessage, response: object, next: () => void) => void;

/**
 * Objects that contain middleware: an Express application or router, or Connect.
 *
 * @publicApi
 */
export interface MiddlewareHost {
  use(middleware: (request: never, response: never, next: () => void) => void): unknown;
}

/**
 * Begins the watch over what code reads of requests, where an outer application has middleware before the one that Nest runs in. Without
 * it, routes behind such middleware bypass the cache: nobody knows what their answers depend on.
 *
 * @param app the outer application, before its other middleware
 * @example
 * const outer = express();
 * watchRequests(outer);
 * outer.use(tenantOfHost());
 * outer.use('/api', nest.getHttpAdapter().getInstance());
 *
 * @publicApi
 */
export function watchRequests(app: MiddlewareHost): void {
  allowClones();
  app.use(begin as never);
}

const begin: Middleware = (request, response, next) => {
  watchRequest(request, new LeftMembers('express', request, response));
  next();
};

/** Watches the application that Nest runs in. If it is mounted in another application, the middleware of that one has run already. */
const beginInside: Middleware = (request, response, next) => {
  const isMounted = request.originalUrl !== undefined && request.originalUrl !== request.url;
  watchRequest(request, new LeftMembers('express', request, response), isMounted);
  next();
};

interface Layer {
  readonly handle?: unknown;
  readonly name?: string;
}

interface ExpressApplication extends MiddlewareHost {
  /** Router of Express 4. */
  readonly _router?: { readonly stack: Layer[] };
  /** Router of Express 5; in Express 4 a getter that throws. */
  readonly router?: { readonly stack: Layer[] };
}

/** Middleware by which Express 4 prepares each request. */
const PREPARING = new Set(['query', 'expressInit']);

/** Puts the watch before all middleware of an Express application, including middleware that it already has. */
export function watchExpress(app: ExpressApplication): void {
  allowClones();
  app.use(beginInside as never);
  const stack = (app._router ?? app.router)?.stack;
  const layer = stack?.at(-1);
  if (stack === undefined || layer?.handle !== beginInside) return;
  stack.pop();
  stack.splice(stack.findIndex(({ name }) => !PREPARING.has(name ?? '')) >>> 0, 0, layer);
}

type Hook = (
  request: { readonly raw: WatchedMessage },
  reply: { readonly raw: object },
  next: () => void,
) => void;

const beginReply: Hook = ({ raw }, reply, next) => {
  watchRequest(raw, new LeftMembers('fastify', raw, reply.raw));
  next();
};

/** True for the middleware or hook that begins the watch. */
export function isWatch(code: unknown): boolean {
  return code === begin || code === beginInside || code === beginReply;
}

interface FastifyApplication {
  readonly server?: { prependListener?(event: 'request', listener: (...args: never[]) => void): unknown };
  addHook(name: 'onRequest', hook: (request: never, reply: never, next: () => void) => void): unknown;
}

/**
 * Puts the watch before all hooks of a Fastify application, and before `rewriteUrl` if it has one. `addHook()` would put it behind existing
 * hooks, such as those of Nest's middleware.
 */
export function watchFastify(app: FastifyApplication): void {
  allowClones();
  if (!putFirst(app)) app.addHook('onRequest', beginReply as never);
  const options = internal(app, 'fastify.options') as { rewriteUrl?: unknown } | undefined;
  if (options?.rewriteUrl === undefined) return;
  app.server?.prependListener?.('request', ((raw: WatchedMessage, response: object) =>
    watchRequest(raw, new LeftMembers('fastify', raw, response))) as never);
}

/** @returns false if this Fastify keeps its hooks elsewhere */
function putFirst(app: object): boolean {
  const hooks = internal(app, 'fastify.hooks') as { readonly onRequest?: unknown } | undefined;
  if (!Array.isArray(hooks?.onRequest)) return false;
  if (!hooks.onRequest.includes(beginReply)) hooks.onRequest.unshift(beginReply);
  const children = internal(app, 'fastify.children');
  if (Array.isArray(children)) for (const child of children as object[]) putFirst(child);
  return true;
}

/** A member of Fastify that it keeps under a symbol. */
export function internal(app: object, description: string): unknown {
  const symbol = Object.getOwnPropertySymbols(app).find((one) => one.description === description);
  return symbol && Reflect.get(app, symbol);
}

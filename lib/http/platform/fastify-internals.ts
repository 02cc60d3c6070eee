import type { LiveHeaders, RawRequest, RawResponse } from './raw-response.interface.js';

// All undocumented parts of Fastify that this library relies on are in this file. They are checked on the first reply: if they differ, hits
// go through `reply.send()`, and hooks after ours are assumed.

/** Symbols under which Fastify 4 and 5 keep the context of a route, the headers and the trailers of a reply. */
export interface Internals {
  readonly context: symbol;
  readonly headers: symbol;
  readonly trailers: symbol;
}

export interface InternalReply extends FastifyReplyLike {
  readonly request: Readonly<Record<symbol, unknown>> & {
    readonly raw: { readonly httpVersionMajor: number };
  };
  readonly [internal: symbol]: unknown;
}

/** `null` until the first reply; `undefined` if this Fastify differs. */
let internals: Internals | undefined | null = null;

export function internalsOf(reply: FastifyReplyLike): Internals | undefined {
  if (internals === null) internals = lookUp(reply as InternalReply);
  return internals;
}

/** Headers that the reply itself holds, besides those of Node's response. */
export function ownHeaders(reply: FastifyReplyLike, { headers }: Internals): LiveHeaders {
  return (reply as InternalReply)[headers] as LiveHeaders;
}

/** True if hooks after ours, which is the first, may change the answer; also `true` if that is not known. */
export function hasLaterHooks(reply: FastifyReplyLike): boolean {
  const known = internalsOf(reply);
  const hooks = known && hooksOf(reply as InternalReply, known.context);
  return hooks === undefined || hooks.length > 1;
}

/** The `onSend` hooks of a reply's route; `undefined` if this Fastify keeps them elsewhere. */
function hooksOf({ request }: InternalReply, context: symbol): readonly unknown[] | undefined {
  const { onSend } = (request[context] ?? {}) as { readonly onSend?: readonly unknown[] | null };
  return onSend === null ? NO_HOOKS : Array.isArray(onSend) ? (onSend as readonly unknown[]) : undefined;
}

const NO_HOOKS: readonly unknown[] = [];

function lookUp(reply: InternalReply): Internals | undefined {
  const context = symbolOf(reply.request, 'fastify.context');
  const headers = symbolOf(reply, 'fastify.reply.headers');
  const trailers = symbolOf(reply, 'fastify.reply.trailers');
  if (context === undefined || headers === undefined || trailers === undefined) return undefined;
  const holdsHeaders = typeof reply[headers] === 'object' && reply[headers] !== null;
  const knowsTrailers = reply[trailers] === null || typeof reply[trailers] === 'object';
  const isKnown = holdsHeaders && knowsTrailers && hooksOf(reply, context) !== undefined;
  return isKnown ? { context, headers, trailers } : undefined;
}

function symbolOf(holder: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(holder).find((symbol) => symbol.description === description);
}

/** The part of a FastifyRequest that is used here. */
export interface FastifyRequestLike {
  readonly method: string;
  readonly raw: RawRequest;
  readonly routeOptions?: { readonly url?: string };
}

/** The part of a FastifyReply that is used here. Methods that are replaced are typed by their loosest signature. */
export interface FastifyReplyLike {
  readonly raw: RawResponse;
  readonly sent: boolean;
  readonly server: object;
  code(status: number): unknown;
  header(name: string, value: string | readonly string[]): unknown;
  getHeader(name: string): string | string[] | number | undefined;
  getHeaders(): LiveHeaders;
  removeHeader(name: string): unknown;
  send(payload?: unknown): unknown;
  status(status: number): unknown;
  redirect(...args: unknown[]): unknown;
  /** Added by @fastify/view. */
  view?(...args: unknown[]): unknown;
  trailer(...args: unknown[]): unknown;
  hijack(): unknown;
}

export type NextPayload = (error: Error | null, payload?: unknown) => void;

/** The part of a FastifyInstance that is used here. */
export interface FastifyInstanceLike {
  addHook(
    name: 'onSend',
    hook: (request: never, reply: never, payload: unknown, next: NextPayload) => void,
  ): unknown;
  addHook(
    name: 'onError',
    hook: (request: never, reply: never, error: Error, next: () => void) => void,
  ): unknown;
}

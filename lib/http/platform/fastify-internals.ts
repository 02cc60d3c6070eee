import type { LiveHeaders, RawRequest, RawResponse } from './raw-response.interface.js';

/** What Fastify keeps of a reply for itself; by the descriptions of its symbols, as they are in Fastify 4 and 5. */
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

/** Looked up with the first reply. `undefined` in a Fastify that names them otherwise: then all goes through `reply.send()`. */
let internals: Internals | undefined | null = null;

export function internalsOf(reply: FastifyReplyLike): Internals | undefined {
  if (internals === null) internals = lookUp(reply as InternalReply);
  return internals;
}

/** The headers that the reply holds itself, beside those of Node's response. */
export function ownHeaders(reply: FastifyReplyLike, { headers }: Internals): LiveHeaders {
  return (reply as InternalReply)[headers] as LiveHeaders;
}

/** Whether hooks that may change what is sent come after our own, which is the first; `true` where nobody knows. */
export function hasLaterHooks(reply: FastifyReplyLike): boolean {
  const known = internalsOf(reply);
  if (known === undefined) return true;
  const { request } = reply as InternalReply;
  const { onSend } = request[known.context] as { readonly onSend: readonly unknown[] | null };
  return onSend !== null && onSend.length > 1;
}

function lookUp(reply: InternalReply): Internals | undefined {
  const named = (holder: object, name: string): symbol | undefined =>
    Object.getOwnPropertySymbols(holder).find(({ description }) => description === name);
  const context = named(reply.request, 'fastify.context');
  const headers = named(reply, 'fastify.reply.headers');
  const trailers = named(reply, 'fastify.reply.trailers');
  return context && headers && trailers ? { context, headers, trailers } : undefined;
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
  /** Of @fastify/view. */
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

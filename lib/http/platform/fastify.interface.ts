import type { RawRequest, RawResponse } from './raw-response.interface.js';
import type { LiveHeaders } from './raw-response.interface.js';

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

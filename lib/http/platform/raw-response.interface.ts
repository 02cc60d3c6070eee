import type { Socket } from 'node:net';

/** Headers as Node returns them: lower-case names, repeated values as a list. */
export type LiveHeaders = Readonly<Record<string, string | string[] | number | undefined>>;

/** A chunk that can be written to a response. */
export type Bytes = string | Uint8Array;

/**
 * The part of Node's `ServerResponse` (and of its HTTP/2 counterpart) that recording uses. The methods have their loosest signature,
 * because they are replaced by functions that forward their arguments.
 */
export interface RawResponse {
  statusCode: number;
  /** Always empty on HTTP/2, which warns if it is set. */
  statusMessage?: string;
  readonly req?: { readonly httpVersionMajor: number };
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  readonly writableEnded: boolean;
  once(event: 'close' | 'finish', listener: () => void): unknown;
  readonly socket: Socket | null;
  write(...args: unknown[]): boolean;
  end(...args: unknown[]): unknown;
  writeHead(...args: unknown[]): unknown;
  flushHeaders(...args: unknown[]): unknown;
  addTrailers(...args: unknown[]): unknown;
  /** Absent on HTTP/2. */
  detachSocket?(...args: unknown[]): unknown;
  getHeaders(): LiveHeaders;
  getHeader(name: string): string | string[] | number | undefined;
  /** Absent on HTTP/2. */
  getRawHeaderNames?(): string[];
  setHeader(name: string, value: string | number | readonly string[]): unknown;
  removeHeader(name: string): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  removeListener(event: string, listener: (...args: never[]) => void): unknown;
}

/** The part of Node's `IncomingMessage` that recording uses. */
export interface RawRequest {
  readonly method?: string;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly socket?: Socket | null;
}

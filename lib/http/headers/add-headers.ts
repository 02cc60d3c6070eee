import type { AddedHeaders } from '../platform.interface.js';

/**
 * An Express response, a Fastify reply or a plain `ServerResponse`.
 *
 * @publicApi
 */
export interface HeaderTarget {
  /** Express, and Node. */
  setHeader?(name: string, value: string): unknown;
  /** Fastify. */
  header?(name: string, value: string): unknown;
}

/** Adds headers to a response at once, before the handler runs. */
export function addHeaders(response: HeaderTarget, headers: AddedHeaders): void {
  for (const name in headers) {
    if (response.setHeader !== undefined) response.setHeader(name, headers[name]!);
    else response.header?.(name, headers[name]!);
  }
}

import type { AddedHeaders } from './http-platform.interface.js';

/** Adds headers to a response at once, before the handler runs. */
export function addHeaders(response: object, headers: AddedHeaders): void {
  const target = response as {
    setHeader?(name: string, value: string): void;
    header?(name: string, value: string): void;
  };
  for (const name in headers) {
    if (target.setHeader !== undefined) target.setHeader(name, headers[name]!);
    else target.header?.(name, headers[name]!);
  }
}

import { gzipSync } from 'node:zlib';

interface Patchable {
  write(chunk?: unknown, encoding?: unknown): boolean;
  end(chunk?: unknown, encoding?: unknown): unknown;
  writeHead(status: number, ...rest: unknown[]): unknown;
  statusCode: number;
  headersSent: boolean;
  setHeader(name: string, value: string): void;
  removeHeader(name: string): void;
  getHeader(name: string): unknown;
}

/**
 * Patches the response the way the `compression` package does: write and end collect, and the head is changed as it
 * goes out.
 */
export function compression(
  request: { headers: Record<string, string | undefined> },
  response: Patchable,
  next: () => void,
): void {
  const accepted = /gzip/.test(request.headers['accept-encoding'] ?? '');
  const { write, end, writeHead } = response;
  const collected: Buffer[] = [];
  let zipping = false;
  const decide = (): void => {
    if (response.headersSent) return;
    zipping = accepted && response.getHeader('Content-Type') !== undefined;
    response.setHeader('Vary', [response.getHeader('Vary'), 'Accept-Encoding'].filter(Boolean).join(', '));
    if (!zipping) return;
    response.setHeader('Content-Encoding', 'gzip');
    response.removeHeader('Content-Length');
  };
  let decided = false;
  const once = (): void => {
    if (!decided) decide();
    decided = true;
  };
  response.writeHead = (status, ...rest) => {
    once();
    return writeHead.call(response, status, ...rest);
  };
  response.write = (chunk, encoding) => {
    once();
    if (!zipping) return write.call(response, chunk, encoding);
    collected.push(bytes(chunk, encoding));
    return true;
  };
  response.end = (chunk, encoding) => {
    once();
    if (!zipping) return end.call(response, chunk, encoding);
    if (chunk) collected.push(bytes(chunk, encoding));
    response.writeHead(response.statusCode);
    return end.call(response, gzipSync(Buffer.concat(collected)));
  };
  next();
}

function bytes(chunk: unknown, encoding: unknown): Buffer {
  return typeof chunk === 'string'
    ? Buffer.from(chunk, encoding as BufferEncoding)
    : Buffer.from(chunk as Uint8Array);
}

import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';

/** An answer as it came over the wire. */
export interface WireAnswer {
  /** `HTTP/1.1 200 OK`; on HTTP/2 the status alone. */
  readonly start: string;
  readonly status: number;
  /** In the order and spelling of the wire, repeated ones apart. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface WireRequest {
  readonly method?: string;
  readonly path: string;
  /** `Name: value` */
  readonly lines?: readonly string[];
}

/** Asks and brings what came over the wire. */
export interface WireClient {
  ask(request: WireRequest): Promise<WireAnswer>;
  close(): void;
}

/** Every byte of an HTTP/1.1 answer, over a socket of its own. */
export function http1(port: number): WireClient {
  return {
    ask: ({ method = 'GET', path, lines = [] }) =>
      exchange(port, [`${method} ${path} HTTP/1.1`, 'Host: a.test', 'Connection: close', ...lines]),
    close: () => undefined,
  };
}

async function exchange(port: number, lines: readonly string[]): Promise<WireAnswer> {
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
  const end = bytes.indexOf('\r\n\r\n');
  const [start = '', ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = fields.map((field) => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon), field.slice(colon + 1).trim()] as const;
  });
  const rest = bytes.subarray(end + 4);
  const isChunked = headers.some(
    ([name, value]) => /^transfer-encoding$/i.test(name) && /chunked/i.test(value),
  );
  return { start, status: Number(start.split(' ')[1]), headers, body: isChunked ? unchunked(rest) : rest };
}

/** @throws Error where the last chunk is missing: the answer was cut off */
export function unchunked(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    const size = line < 0 ? NaN : parseInt(bytes.toString('latin1', at, line), 16);
    if (Number.isNaN(size)) throw new Error('the last chunk is missing');
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 4 + size;
  }
}

/** The same over one HTTP/2 session. */
export function http2(port: number): WireClient {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  return { ask: (request) => exchangeHttp2(session, request), close: () => session.destroy() };
}

function exchangeHttp2(
  session: ClientHttp2Session,
  { method = 'GET', path, lines = [] }: WireRequest,
): Promise<WireAnswer> {
  const asked: Record<string, string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    (asked[line.slice(0, colon).toLowerCase()] ??= []).push(line.slice(colon + 1).trim());
  }
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, ':authority': 'a.test', ...asked });
    const chunks: Buffer[] = [];
    let headers: [string, string][] = [];
    const onResponse = (_headers: object, _flags: number, raw: string[]): void => void (headers = pairs(raw));
    stream.on('response', onResponse as never);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const status = headers.find(([name]) => name === ':status')?.[1] ?? '';
      const body = Buffer.concat(chunks);
      resolve({ start: status, status: Number(status), headers, body });
    });
    stream.end();
  });
}

function pairs(raw: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < raw.length; index += 2) result.push([raw[index]!, raw[index + 1]!]);
  return result;
}

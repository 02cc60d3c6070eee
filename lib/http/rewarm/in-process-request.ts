import type { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock } from '../../common/time.js';
import type { Peer } from '../platform.interface.js';

/** Raw headers (names and values alternate) without some. @param names in lower case */
export function rawWithout(rawHeaders: readonly string[], names: ReadonlySet<string>): string[] {
  const rest: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!names.has(rawHeaders[index]!.toLowerCase())) rest.push(rawHeaders[index]!, rawHeaders[index + 1]!);
  }
  return rest;
}

/** A request of Express, which is Node's own, or of Fastify around it. */
export interface Repeatable {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: IncomingMessage;
}

export function originalOf(request: Repeatable): IncomingMessage {
  return request.raw ?? (request as unknown as IncomingMessage);
}

/** Time after which a request is given up. Milliseconds. */
const MAX_MS = 60_000;

/** Result of {@link sendInProcess} for a request without an answer. */
export const NO_ANSWER = 0;

/** Headers that are removed from a request which must get the whole answer of the handler. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'cache-control',
  'pragma',
  'connection',
  'content-length',
]);

/** The parts of a request. */
export interface MessageParts {
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly peer: Peer;
  readonly httpVersion?: string;
}

/** A GET for a whole answer over HTTP/1.1, on a socket without a client. */
export function createMessage({
  url,
  headers,
  rawHeaders,
  peer,
  httpVersion = '1.1',
}: MessageParts): IncomingMessage {
  const nobody = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const { remoteAddress, remotePort, remoteFamily, encrypted } = peer;
  const socket = Object.assign(nobody, {
    ...{ remoteAddress, remotePort, remoteFamily, encrypted },
    ...{ setTimeout: () => nobody, setNoDelay: () => nobody, setKeepAlive: () => nobody },
  });
  const message = new IncomingMessage(socket as unknown as Socket);
  const [httpVersionMajor, httpVersionMinor] = httpVersion.split('.').map(Number);
  Object.assign(message, {
    method: 'GET',
    url,
    httpVersion,
    httpVersionMajor,
    httpVersionMinor,
    headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !LEFT_OUT.has(name))),
    rawHeaders: rawWithout(rawHeaders, LEFT_OUT),
  });
  message.complete = true;
  message.push(null);
  return message;
}

/**
 * Sends a request through a server in process, middleware and guards included. The answer is discarded.
 * @returns the status of the answer, or {@link NO_ANSWER}
 */
export function sendInProcess(server: EventEmitter, message: IncomingMessage, clock: Clock): Promise<number> {
  const response = new ServerResponse(message);
  response.assignSocket(message.socket);
  const cancel = clock.after(MAX_MS, () => message.socket.destroy());
  response.on('finish', () => message.socket.destroy());
  setImmediate(() => server.emit('request', message, response));
  return new Promise<number>((resolve) => {
    response.on('close', () => {
      cancel();
      resolve(response.writableFinished ? response.statusCode : NO_ANSWER);
    });
  });
}

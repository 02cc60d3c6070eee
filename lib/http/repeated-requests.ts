import { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock } from '../cache/clock.js';
import { withoutConditions } from './shared-cache/validation-request.js';

/** Requests repeated at one time; beyond it the client waits for the handler. */
const MAX_REPEATED = 100;

/** A repeated request that takes longer is given up. Milliseconds. */
const MAX_REPEATED_MS = 60_000;

/** What {@link RepeatedRequests.start} brings for a request that came to no answer. */
export const NO_ANSWER = 0;

interface Repeatable {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: IncomingMessage;
}

/**
 * Asks a handler behind the client's back (RFC 5861 §3): the request is given to the application's own server once more,
 * guards and middleware included, with nobody at the other end. A HEAD is repeated as a GET, which can be stored.
 */
export class RepeatedRequests {
  readonly #running = new Map<string, Promise<number>>();
  readonly #messages = new WeakSet<object>();

  constructor(private readonly clock: Clock) {}

  /** Whether this is such a request: then nothing stored will do. */
  has(request: object): boolean {
    return this.#messages.has(messageOf(request as Repeatable));
  }

  /**
   * One at a time for a key.
   * @returns the status of the answer, or {@link NO_ANSWER}; nothing where there is no server to give the request to, or too
   *   many are under way
   */
  start(key: string, request: object): Promise<number> | undefined {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const original = messageOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return undefined;
    // The body of a request has gone by.
    if (original.method !== 'GET' && original.method !== 'HEAD') return undefined;
    if (this.#running.size >= MAX_REPEATED) return undefined;
    const message = repeatOf(original);
    const response = new ServerResponse(message);
    response.assignSocket(message.socket);
    const cancel = this.clock.after(MAX_REPEATED_MS, () => message.socket.destroy());
    const answer = new Promise<number>((resolve) => {
      response.on('close', () => {
        cancel();
        this.#running.delete(key);
        resolve(response.writableFinished ? response.statusCode : NO_ANSWER);
      });
    });
    response.on('finish', () => message.socket.destroy());
    this.#messages.add(message);
    this.#running.set(key, answer);
    setImmediate(() => server.emit('request', message, response));
    return answer;
  }
}

function messageOf(request: Repeatable): IncomingMessage {
  return request.raw ?? (request as unknown as IncomingMessage);
}

function repeatOf(original: IncomingMessage): IncomingMessage {
  const { httpVersion, httpVersionMajor, httpVersionMinor } = original;
  const { remoteAddress, remotePort, remoteFamily, encrypted } = original.socket as Socket & {
    encrypted?: boolean;
  };
  const nobody = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const socket = Object.assign(nobody, {
    ...{ remoteAddress, remotePort, remoteFamily, encrypted },
    ...{ setTimeout: () => nobody, setNoDelay: () => nobody, setKeepAlive: () => nobody },
  });
  const message = new IncomingMessage(socket as unknown as Socket);
  const url = (original as { readonly originalUrl?: string }).originalUrl ?? original.url;
  const headers = { ...original.headers };
  for (const name of ['if-none-match', 'if-modified-since', 'cache-control', 'pragma']) delete headers[name];
  Object.assign(message, { method: 'GET', url, httpVersion, httpVersionMajor, httpVersionMinor, headers });
  message.rawHeaders = withoutConditions(original.rawHeaders);
  message.complete = true;
  message.push(null);
  return message;
}

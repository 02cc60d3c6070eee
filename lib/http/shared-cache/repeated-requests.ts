import { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { withoutConditions } from './validation-request.js';

/** Requests repeated at one time; beyond it the client waits for the validation. */
const MAX_REPEATED = 100;

interface Repeatable {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: IncomingMessage;
}

/**
 * Validates behind the client's back (RFC 5861 §3): the request is given to the application's own server once more, guards
 * and middleware included, with nobody at the other end.
 */
export class RepeatedRequests {
  readonly #running = new Set<string>();
  readonly #messages = new WeakSet<object>();

  /** Whether this is such a request: then nothing stored will do. */
  has(request: object): boolean {
    return this.#messages.has(messageOf(request as Repeatable));
  }

  /** @returns whether somebody sees to it; false where there is no server to give it to, or too many are under way */
  start(key: string, request: object): boolean {
    if (this.#running.has(key)) return true;
    const original = messageOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return false;
    if (this.#running.size >= MAX_REPEATED) return false;
    this.#running.add(key);
    const message = repeatOf(original);
    const response = new ServerResponse(message);
    response.assignSocket(message.socket);
    response.on('close', () => this.#running.delete(key));
    response.on('finish', () => message.socket.destroy());
    this.#messages.add(message);
    setImmediate(() => server.emit('request', message, response));
    return true;
  }
}

function messageOf(request: Repeatable): IncomingMessage {
  return request.raw ?? (request as unknown as IncomingMessage);
}

function repeatOf(original: IncomingMessage): IncomingMessage {
  const { method, httpVersion, httpVersionMajor, httpVersionMinor } = original;
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
  Object.assign(message, { method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers });
  message.rawHeaders = withoutConditions(original.rawHeaders);
  message.complete = true;
  message.push(null);
  return message;
}

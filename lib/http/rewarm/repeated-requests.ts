import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../common/time.js';
import { askServer, messageOf } from './in-process-request.js';
import type { Peer } from '../platform.interface.js';

/** Requests repeated at one time; beyond it the client waits for the handler. */
const MAX_REPEATED = 100;

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
    return this.#messages.has(originalOf(request as Repeatable));
  }

  /**
   * One at a time for a key.
   * @returns the status of the answer, or `NO_ANSWER`; nothing where there is no server to give the request to, or too
   *   many are under way
   */
  start(key: string, request: object): Promise<number> | undefined {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const original = originalOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return undefined;
    // The body of a request has gone by.
    if (original.method !== 'GET' && original.method !== 'HEAD') return undefined;
    if (this.#running.size >= MAX_REPEATED) return undefined;
    const message = repeatOf(original);
    this.#messages.add(message);
    const answer = askServer(server, message, this.clock).finally(() => this.#running.delete(key));
    this.#running.set(key, answer);
    return answer;
  }
}

function originalOf(request: Repeatable): IncomingMessage {
  return request.raw ?? (request as unknown as IncomingMessage);
}

function repeatOf(original: IncomingMessage): IncomingMessage {
  return messageOf({
    url: (original as { readonly originalUrl?: string }).originalUrl ?? original.url,
    headers: original.headers,
    rawHeaders: original.rawHeaders,
    peer: original.socket as Socket & Peer,
    httpVersion: original.httpVersion,
  });
}

import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Call } from '../../cache/engine/call.js';
import type { Clock } from '../../common/time.js';
import type { Peer } from '../platform.interface.js';
import { withUnusedAddress } from './client-address.js';
import { createMessage, originalOf, type Repeatable, sendInProcess } from './in-process-request.js';

/** Background requests that run at the same time; beyond it the client waits for the handler. */
const MAX_REPEATED = 100;

/** A repeated request, and the key of the entry that it renews. */
interface Renewal {
  readonly key: string;
  /** It came to the cache, and made that key. */
  isMet: boolean;
}

/**
 * Repeats requests in the background (RFC 5861 §3): each goes through the application's own server again, guards and middleware included,
 * and its answer is only stored. A HEAD is repeated as a GET, whose answer can be stored.
 *
 * Rate limiters must not count them as requests of the client, so they come from an address that no client has. Where answers depend
 * on the address, or a guard admits clients by it, such a request makes another key or does not come to the cache at all: from then on
 * requests for that route keep the client's address.
 */
export class BackgroundRequests {
  readonly #running = new Map<string, Promise<number>>();
  readonly #renewals = new WeakMap<object, Renewal>();
  /** Methods whose requests keep the client's address. */
  readonly #addressed = new WeakSet<object>();

  constructor(private readonly clock: Clock) {}

  /** Whether a request is one of these: nothing stored may answer it. */
  has(request: object): boolean {
    return this.#renewals.has(originalOf(request as Repeatable));
  }

  /** Called with the key that a request made. */
  meet(request: object, { key }: Call): void {
    const renewal = this.#renewals.get(originalOf(request as Repeatable));
    if (renewal?.key === key) renewal.isMet = true;
  }

  /**
   * Runs one request at a time for each key.
   * @returns the status of the answer, or `NO_ANSWER`; `undefined` without a server, or if too many requests run
   */
  start({ key, target }: Call, request: object): Promise<number> | undefined {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const original = originalOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return undefined;
    // The body of the request has been read already, so it cannot be repeated.
    if (original.method !== 'GET' && original.method !== 'HEAD') return undefined;
    if (this.#running.size >= MAX_REPEATED) return undefined;
    const message = repeatOf(original, this.#addressed.has(target) ? undefined : request);
    const renewal: Renewal = { key, isMet: false };
    this.#renewals.set(message, renewal);
    const answer = sendInProcess(server, message, this.clock).finally(() => {
      this.#running.delete(key);
      if (!renewal.isMet) this.#addressed.add(target);
    });
    this.#running.set(key, answer);
    return answer;
  }
}

/** @param request as the platform sees it, where its address is to be replaced */
function repeatOf(original: IncomingMessage, request: object | undefined): IncomingMessage {
  const { headers, rawHeaders, httpVersion } = original;
  const parts = { headers, rawHeaders, peer: original.socket as Socket & Peer };
  return createMessage({
    url: (original as { readonly originalUrl?: string }).originalUrl ?? original.url,
    ...(request === undefined ? parts : withUnusedAddress(request, parts)),
    httpVersion,
  });
}

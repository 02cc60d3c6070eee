import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Call } from '../../cache/engine/call.js';
import type { LoadContext } from '../../cache/engine/load-context.js';
import type { Clock } from '../../common/time.js';
import type { Peer, RecordedResponse } from '../platform.interface.js';
import { withUnusedAddress } from './client-address.js';
import { createMessage, originalOf, type Repeatable, sendInProcess } from './in-process-request.js';

/** Background requests that run at the same time; beyond it the client waits for the handler. */
const MAX_REPEATED = 100;

/** A request that is repeated only to compare its answer with a stored one. */
export interface Verification {
  /** Of the load of the handler. */
  readonly context: LoadContext;
  /** The key that the request must make. */
  readonly key: string;
  /** Once the handler has answered. */
  recorded: RecordedResponse | undefined;
}

/** A repeated request, and the key of the entry that it renews. */
interface Renewal {
  readonly key: string;
  /** It came to the cache, and made that key. */
  isMet: boolean;
  readonly verification?: Verification;
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
    if (this.#running.size >= MAX_REPEATED) return undefined;
    const answer = this.#send(target, request, { key, isMet: false })?.finally(() =>
      this.#running.delete(key),
    );
    if (answer !== undefined) this.#running.set(key, answer);
    return answer;
  }

  /** Repeats the request of a call for its answer alone. @returns `undefined` if it cannot be repeated */
  verify({ key, target }: Call, request: object, verification: Verification): Promise<number> | undefined {
    return this.#send(target, request, { key, isMet: false, verification });
  }

  /** Of a request that is repeated for its answer alone. */
  verificationOf(request: object): Verification | undefined {
    return this.#renewals.get(originalOf(request as Repeatable))?.verification;
  }

  #send(target: object, request: object, renewal: Renewal): Promise<number> | undefined {
    const original = originalOf(request as Repeatable);
    const { server } = original.socket as Socket & { readonly server?: unknown };
    if (!(server instanceof EventEmitter) || original.httpVersionMajor !== 1) return undefined;
    // The body of the request has been read already, so it cannot be repeated.
    if (original.method !== 'GET' && original.method !== 'HEAD') return undefined;
    const message = repeatOf(original, this.#addressed.has(target) ? undefined : request);
    this.#renewals.set(message, renewal);
    return sendInProcess(server, message, this.clock).finally(() => {
      if (!renewal.isMet) this.#addressed.add(target);
    });
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

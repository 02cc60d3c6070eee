import { appendVary } from '../headers/vary.js';
import type { HeadDecision, Replacement } from '../platform.interface.js';
import { onceDisconnected, RawResponseRecorder } from './raw-response.recorder.js';
import {
  type FastifyReplyLike,
  type FastifyRequestLike,
  internalsOf,
  type NextPayload,
  ownHeaders,
} from './fastify-internals.js';
import { ABSENT_FROM_NOT_MODIFIED } from '../headers/header-rules.js';
import {
  drainNodeStream,
  drainWebStream,
  isNodeStream,
  isWebStream,
  observeNodeStream,
  observeWebStream,
} from './payload-streams.js';
import { isBytes, viewOf } from './recorded-body.js';
import type { ResponseRecording } from './response-recording.js';
import { runUnobserved } from '../inputs/observed-reads.js';
import { bodyOf, restoreHeaders, setReplyHead } from './replayed-head.js';

/**
 * Records a Fastify reply in the first `onSend` hook, or on the raw response if a handler writes to that. The first of the two decides: the
 * methods on the raw response are removed as soon as the reply is sent the ordinary way.
 */
export class FastifyReplyRecorder {
  readonly #request: FastifyRequestLike;
  readonly #reply: FastifyReplyLike;
  readonly #recording: ResponseRecording;
  readonly #raw: RawResponseRecorder;
  #added: readonly string[] = [];

  constructor(request: FastifyRequestLike, reply: FastifyReplyLike, recording: ResponseRecording) {
    this.#request = request;
    this.#reply = reply;
    this.#recording = recording;
    this.#raw = new RawResponseRecorder(request.raw, reply.raw, recording, true);
    recording.sentCacheControl = () => this.#sentCacheControl();
    this.#refuseTrailers();
  }

  /** Layers below write to Node's response. */
  #sentCacheControl(): string | undefined {
    const reply = this.#reply;
    const value = reply.raw.getHeader('cache-control') ?? reply.getHeader('cache-control');
    return value === undefined ? undefined : String(value);
  }

  /** The reply is being sent with this payload. @returns the payload to send */
  onSend(payload: unknown, next: NextPayload): void {
    this.#raw.restore();
    runUnobserved(() => {
      if (this.#recording.judged) this.#replaced(next);
      else this.#first(payload, next);
    });
  }

  #first(payload: unknown, next: NextPayload): void {
    const content = this.#unwrapped(payload);
    const decision = this.#judge(wholeBody(content));
    if (decision?.replaceBy !== undefined) return this.#replaceBy(decision.replaceBy, content, next);
    if (decision) this.#apply(decision);
    // Fastify's HEAD route computes the length of the payload, and sends none of it.
    const notModified = decision?.notModified === true && this.#request.method !== 'HEAD';
    const observed = this.#recording.settled ? content : this.#observed(content);
    if (notModified) this.#drain(observed);
    next(null, notModified ? null : observed);
    if (isStream(content)) return;
    const { raw } = this.#reply;
    // Later hooks may still change the head.
    if (raw.headersSent || raw.writableEnded) this.#recording.complete();
    else raw.once('finish', () => this.#recording.complete());
  }

  #replaceBy(replacement: Replacement, content: unknown, next: NextPayload): void {
    const reply = this.#reply;
    restoreHeaders(reply, this.#recording.headersBefore, (name, value) => reply.header(name, value));
    setReplyHead(reply, replacement.recorded, replacement);
    this.#recording.refuse('replaced');
    this.#drain(content);
    next(null, replacement.notModified && !replacement.headOnly ? null : bodyOf(replacement.recorded));
  }

  /** A later hook or the payload's stream has failed: this is the answer of an error handler. */
  #replaced(next: NextPayload): void {
    this.#recording.refuse('aborted');
    for (const name of this.#added) this.#reply.removeHeader(name);
    this.#added = [];
    next(null);
  }

  #judge(body: Buffer | undefined): HeadDecision | undefined {
    const { raw } = this.#reply;
    const spellings = this.#spellings();
    return this.#recording.judge({
      status: raw.statusCode,
      headers: this.#reply.getHeaders(),
      spellings,
      body,
      reason: raw.statusMessage,
    });
  }

  /** Spellings of headers on Node's response. Headers of the reply are sent in lower case. */
  #spellings(): readonly string[] | undefined {
    const reply = this.#reply;
    const internals = internalsOf(reply);
    if (internals === undefined) return undefined;
    const own = ownHeaders(reply, internals);
    return reply.raw.getRawHeaderNames?.().filter((name) => own[name.toLowerCase()] === undefined);
  }

  #apply({ add, notModified }: HeadDecision): void {
    const reply = this.#reply;
    this.#added = Object.keys(add ?? {});
    for (const name in add) {
      const isVary = name.toLowerCase() === 'vary';
      reply.header(name, isVary ? appendVary(reply.getHeader(name), [add[name]!]) : add[name]!);
    }
    if (!notModified) return;
    reply.code(304);
    for (const name of ABSENT_FROM_NOT_MODIFIED) reply.removeHeader(name);
  }

  #observed(payload: unknown): unknown {
    if (isNodeStream(payload)) {
      observeNodeStream(payload, this.#recording);
      return payload;
    }
    if (isWebStream(payload)) return payload.locked ? payload : observeWebStream(payload, this.#recording);
    if (isBytes(payload)) this.#recording.add(payload);
    else if (payload !== null && payload !== undefined) this.#recording.refuse('aborted');
    return payload;
  }

  /** The 304 is complete at once; the recording when the stream ends, since it does not depend on the response any more. */
  #drain(payload: unknown): void {
    if (!isStream(payload)) return;
    this.#raw.stop();
    const stop = isNodeStream(payload)
      ? drainNodeStream(payload, this.#recording)
      : drainWebStream(payload as ReadableStream<Uint8Array>, this.#recording);
    const { socket } = this.#request.raw;
    if (!socket || this.#recording.settled) return;
    const stopWaiting = onceDisconnected(socket, () => {
      this.#recording.refuse('aborted');
      stop();
    });
    this.#recording.onSettled(stopWaiting);
  }

  /**
   * Does what Fastify does with a web Response after its hooks: uses its status and headers, and sends its body. A Response whose body was
   * read already is left to Fastify, which answers with an error.
   */
  #unwrapped(payload: unknown): unknown {
    if (!isWebResponse(payload) || payload.bodyUsed) return payload;
    this.#reply.code(payload.status);
    for (const [name, value] of payload.headers) this.#reply.header(name, value);
    return payload.body;
  }

  #refuseTrailers(): void {
    const reply = this.#reply;
    const trailer = reply.trailer;
    reply.trailer = (...args) => {
      this.#recording.refuse('trailers');
      return Reflect.apply(trailer, reply, args);
    };
  }
}

function isWebResponse(payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === '[object Response]';
}

function isStream(payload: unknown): boolean {
  return isNodeStream(payload) || isWebStream(payload);
}

function wholeBody(payload: unknown): Buffer | undefined {
  if (isBytes(payload)) return viewOf(payload);
  return payload === null || payload === undefined ? Buffer.alloc(0) : undefined;
}

import type { Socket } from 'node:net';
import { appendVary } from '../headers/vary.js';
import type { HeadDecision, Replacement } from '../platform.interface.js';
import { ABSENT_FROM_NOT_MODIFIED } from '../headers/header-rules.js';
import type { RawRequest, RawResponse } from './raw-response.interface.js';
import { isBytes, viewOf } from './recorded-body.js';
import type { ResponseRecording } from './response-recording.js';
import { runUnobserved } from '../inputs/observed-reads.js';
import { bodyOf, restoreHeaders, setReplayedHead } from './replayed-head.js';

/** One listener for each connection: Node warns at eleven, and there may be many pipelined responses. */
const waitingByConnection = new WeakMap<Socket, Set<() => void>>();

type HeaderValueArgument = string | number | readonly string[];

const PATCHED = ['write', 'end', 'writeHead', 'flushHeaders', 'addTrailers', 'detachSocket'] as const;
type Patched = (typeof PATCHED)[number];
type Method = (...args: unknown[]) => unknown;
type Source = { readonly errored?: unknown; readonly readableAborted?: boolean };

/**
 * Records what is written to a Node response, by own methods on the instance. They are above those of middleware that patched the response
 * before (compression, sessions), so they see the handler's output. They are removed when the recording has settled.
 */
export class RawResponseRecorder {
  readonly #response: RawResponse;
  readonly #recording: ResponseRecording;
  readonly #isBelow: boolean;
  readonly #otherMiddleware = {} as Record<Patched, Method | undefined>;
  readonly #own: Record<Patched, Method>;
  readonly #sources: Source[] = [];
  readonly #onPipe = (source: Source): void => void this.#sources.push(source);
  readonly #stopWatching: () => void;
  #judged = false;
  /** True if another response is sent (a 304, a stored one): what the handler writes is discarded. */
  #suppressed = false;
  #replacement: Replacement | undefined;
  #added: string[] = [];

  /** @param isBelow true if answers are replayed at another layer, except those that are written here */
  constructor(request: RawRequest, response: RawResponse, recording: ResponseRecording, isBelow = false) {
    this.#response = response;
    this.#recording = recording;
    this.#isBelow = isBelow;
    this.#own = {
      write: (...args) => this.#write(args),
      end: (...args) => this.#end(args),
      writeHead: (...args) => this.#writeHead(args),
      flushHeaders: (...args) => this.#flushHeaders(args),
      addTrailers: (...args) => this.#refuse('trailers', 'addTrailers', args),
      detachSocket: (...args) => this.#refuse('hijacked', 'detachSocket', args),
    };
    this.#patch();
    this.#stopWatching = onceClosed(request, response, () => recording.refuse('aborted'));
    response.on('pipe', this.#onPipe);
    recording.sentCacheControl = () => textOf(response.getHeader('cache-control'));
    recording.onSettled(() => this.#release());
  }

  /** Restores the methods and stops following the response. */
  stop(): void {
    this.restore();
    this.#stopWatching();
  }

  /** Restores the methods, unless other middleware has patched them since. */
  restore(): void {
    for (const name of PATCHED) {
      if (this.#response[name] === this.#own[name])
        this.#response[name] = this.#otherMiddleware[name] as never;
    }
    this.#response.removeListener('pipe', this.#onPipe);
  }

  #patch(): void {
    for (const name of PATCHED) {
      this.#otherMiddleware[name] = this.#response[name];
      if (this.#otherMiddleware[name]) this.#response[name] = this.#own[name] as never;
    }
  }

  #release(): void {
    this.#stopWatching();
    if (!this.#suppressed) this.restore();
  }

  #write(args: unknown[]): boolean {
    const [chunk, encoding] = args;
    if (!isBytes(chunk)) return this.#pass('write', args) as boolean;
    if (!this.#judged) this.#judge(undefined);
    this.#recording.add(chunk, encodingOf(encoding));
    if (!this.#suppressed) return this.#pass('write', args) as boolean;
    // Code that checks `headersSent`, such as an exception filter, must see that it is too late to answer.
    if (!this.#response.headersSent) this.#pass('flushHeaders', []);
    const callback = args.find(isFunction);
    if (callback) process.nextTick(callback);
    return true;
  }

  #end(args: unknown[]): unknown {
    const chunk = isFunction(args[0]) ? undefined : (args[0] ?? undefined);
    if (chunk !== undefined && !isBytes(chunk)) return this.#pass('end', args);
    const encoding = encodingOf(args[1]);
    if (!this.#judged) this.#judge(viewOf(chunk ?? '', encoding));
    if (chunk !== undefined) this.#recording.add(chunk, encoding);
    if (this.#sources.some(wasTorn)) this.#recording.refuse('aborted');
    this.restore();
    const result = this.#pass('end', this.#suppressed ? this.#replaced(args) : args);
    this.#recording.complete();
    return result;
  }

  /** Arguments that end a response whose own body is discarded. */
  #replaced(args: unknown[]): unknown[] {
    const { recorded, headOnly = true, notModified = true } = this.#replacement ?? {};
    const callbacks = args.filter(isFunction);
    return headOnly || notModified ? callbacks : [bodyOf(recorded!), ...callbacks];
  }

  #writeHead(args: unknown[]): unknown {
    if (this.#judged || this.#response.headersSent) return this.#pass('writeHead', args);
    const reason = applyHeadArguments(this.#response, args);
    this.#judge(undefined, reason);
    const { statusCode } = this.#response;
    const withReason = reason !== undefined && !this.#suppressed;
    return this.#pass('writeHead', withReason ? [statusCode, reason] : [statusCode]);
  }

  #flushHeaders(args: unknown[]): unknown {
    if (!this.#judged) this.#judge(undefined);
    return this.#pass('flushHeaders', args);
  }

  #refuse(refusal: 'trailers' | 'hijacked', name: Patched, args: unknown[]): unknown {
    this.#recording.refuse(refusal);
    return this.#pass(name, args);
  }

  /** @param body the whole body, if it is sent with the head */
  #judge(body: Buffer | undefined, reason = this.#response.statusMessage): void {
    this.#judged = true;
    runUnobserved(() => this.#judgeUnobserved(body, reason));
  }

  #judgeUnobserved(body: Buffer | undefined, reason: string | undefined): void {
    const response = this.#response;
    const decision = this.#recording.judge({
      status: response.statusCode,
      headers: response.getHeaders(),
      spellings: response.getRawHeaderNames?.(),
      body,
      reason,
      onRaw: this.#isBelow,
    });
    if (decision) this.#apply(decision);
  }

  #apply({ add, notModified, replaceBy }: HeadDecision): void {
    const response = this.#response;
    if (replaceBy !== undefined) return this.#replaceBy(replaceBy);
    this.#added = Object.keys(add ?? {});
    for (const name in add) {
      const isVary = name.toLowerCase() === 'vary';
      response.setHeader(name, isVary ? appendVary(response.getHeader(name), [add[name]!]) : add[name]!);
    }
    if (!notModified) return;
    this.#suppressed = true;
    response.statusCode = 304;
    forgetReason(response);
    for (const name of ABSENT_FROM_NOT_MODIFIED) response.removeHeader(name);
  }

  #replaceBy(replacement: Replacement): void {
    const response = this.#response;
    this.#replacement = replacement;
    this.#suppressed = true;
    forgetReason(response);
    restoreHeaders(response, this.#recording.headersBefore, (name, value) => response.setHeader(name, value));
    setReplayedHead(response, replacement.recorded, replacement);
    this.#recording.refuse('replaced');
  }

  /** If a method of other middleware throws, this answer was not sent: an exception filter will send another. */
  #pass(name: Patched, args: unknown[]): unknown {
    try {
      const call = (): unknown => Reflect.apply(this.#otherMiddleware[name]!, this.#response, args);
      return runUnobserved(call);
    } catch (error) {
      if (this.#judged) this.#giveUp();
      throw error;
    }
  }

  #giveUp(): void {
    this.#suppressed = false;
    this.#recording.refuse('aborted');
    this.restore();
    if (!this.#response.headersSent) for (const name of this.#added) this.#response.removeHeader(name);
  }
}

/**
 * Calls back once the response has closed, finished or not.
 *
 * A response that is queued behind others on its connection has no socket yet and gets no event when the connection closes, so the
 * connection of its request is watched, too.
 *
 * @returns a function that stops waiting
 */
export function onceClosed(request: RawRequest, response: RawResponse, callback: () => void): () => void {
  response.on('close', callback);
  const stopConnection =
    response.socket === null && request.socket ? onceDisconnected(request.socket, callback) : undefined;
  return () => {
    response.removeListener('close', callback);
    stopConnection?.();
  };
}

/** Calls back once the connection has closed. */
export function onceDisconnected(connection: Socket, callback: () => void): () => void {
  const waiting = waitingByConnection.get(connection) ?? watch(connection);
  waiting.add(callback);
  return () => waiting.delete(callback);
}

function watch(connection: Socket): Set<() => void> {
  const waiting = new Set<() => void>();
  waitingByConnection.set(connection, waiting);
  connection.once('close', () => {
    waitingByConnection.delete(connection);
    for (const callback of waiting) callback();
  });
  return waiting;
}

/**
 * Sets the status and the headers that `writeHead(status, reason?, headers?)` was called with, so that they can be judged with the others.
 * Headers may be an object, a flat list of names and values, or a list of pairs; names may repeat in lists. As in Node, they override
 * headers that were set before.
 *
 * @returns the reason phrase, if one was given
 */
export function applyHeadArguments(response: RawResponse, args: readonly unknown[]): string | undefined {
  const [status, second, third] = args;
  response.statusCode = Number(status);
  const reason = typeof second === 'string' ? second : undefined;
  const headers = reason === undefined ? (second ?? third) : third;
  if (Array.isArray(headers)) setList(response, headers);
  else if (typeof headers === 'object' && headers !== null)
    setRecord(response, headers as Record<string, HeaderValueArgument>);
  return reason;
}

function setRecord(response: RawResponse, headers: Record<string, HeaderValueArgument>): void {
  for (const name of Object.keys(headers)) {
    if (name) response.setHeader(name, headers[name]!);
  }
}

function setList(response: RawResponse, headers: readonly unknown[]): void {
  const flat = Array.isArray(headers[0]) ? headers.flat(1) : headers;
  const byName = new Map<string, { name: string; values: string[] }>();
  for (let index = 0; index < flat.length; index += 2) {
    const name = String(flat[index]);
    const known = byName.get(name.toLowerCase()) ?? { name, values: [] };
    known.values.push(...[flat[index + 1]].flat().map(String));
    byName.set(name.toLowerCase(), known);
  }
  for (const { name, values } of byName.values()) {
    response.setHeader(name, values.length === 1 ? values[0]! : values);
  }
}

function textOf(value: number | string | readonly string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}

/** The reason phrase of a status that was replaced. */
function forgetReason(response: RawResponse): void {
  if (response.statusMessage) response.statusMessage = '';
}

function encodingOf(argument: unknown): BufferEncoding | undefined {
  return typeof argument === 'string' ? (argument as BufferEncoding) : undefined;
}

function isFunction(value: unknown): value is () => void {
  return typeof value === 'function';
}

/** A source that failed before its end may still end the response, with a part of the body. */
function wasTorn(source: Source): boolean {
  return Boolean(source.errored) || source.readableAborted === true;
}

/** True if middleware has replaced the methods that write a Node response. */
export function isPatched(response: RawResponse): boolean {
  return (
    Object.hasOwn(response, 'write') || Object.hasOwn(response, 'end') || Object.hasOwn(response, 'writeHead')
  );
}

/**
 * Keeps compression below from encoding a part, whose range counts bytes of the stored body. The `compression` package does not check the
 * status, but the encodings that the client accepts when the head is sent.
 */
export function refuseCodings({ headers }: RawRequest): void {
  headers['accept-encoding'] = 'identity';
}

import type { AddedHeaders, HeaderValue, RecordedResponse, ReplayOptions } from '../platform.interface.js';
import {
  type FastifyReplyLike,
  hasLaterHooks,
  type InternalReply,
  type Internals,
  internalsOf,
  ownHeaders,
} from './fastify-internals.js';
import { hasNoBody } from './replayed-head.js';
import { bodyOf, isLowerCase, setReplyHead } from './replayed-head.js';

type Head = Record<string, HeaderValue>;

/** The head of a hit, made once: all hits of a response within a second share the object. */
const heads = new WeakMap<AddedHeaders, { readonly recorded: RecordedResponse; readonly head: Head }>();

/**
 * Writes a replay directly, if Fastify would only write it: no other `onSend` hook that may compress or sign it, no trailers, and an answer
 * with a body over HTTP/1. Listeners for the finished response run as usual.
 *
 * @returns true if it was written
 */
export function writeDirectly(
  reply: FastifyReplyLike,
  recorded: RecordedResponse,
  options: ReplayOptions,
): boolean {
  if (options.headOnly || options.notModified || recorded.body.length === 0 || hasNoBody(recorded.status))
    return false;
  const internals = internalsOf(reply);
  if (internals === undefined || somethingFollows(reply as InternalReply, internals)) return false;
  const { raw } = reply;
  const head = headOf(reply, ownHeaders(reply, internals) as Head, recorded, options);
  reply.hijack();
  raw.writeHead(recorded.status, head);
  raw.end(bodyOf(recorded));
  return true;
}

function somethingFollows(reply: InternalReply, { trailers }: Internals): boolean {
  return reply[trailers] !== null || reply.request.raw.httpVersionMajor !== 1 || hasLaterHooks(reply);
}

function headOf(
  reply: FastifyReplyLike,
  live: Head,
  recorded: RecordedResponse,
  options: ReplayOptions,
): Head {
  const { add } = options;
  if (isEmpty(live)) {
    const known = heads.get(add);
    if (known?.recorded === recorded) return known.head;
    // Headers on the raw response may include Vary, and their spelling is kept.
    if (isPlain(recorded)) {
      const head = wholeHead(recorded, add);
      if (head['vary'] === undefined) {
        heads.set(add, { recorded, head });
        return head;
      }
    }
  }
  setReplyHead(reply, recorded, options);
  live['content-length'] = String(recorded.body.length);
  return live;
}

function isEmpty(live: Head): boolean {
  for (const name in live) return name === undefined;
  return true;
}

function isPlain({ headers, removed, vary, manner }: RecordedResponse): boolean {
  const isSimple = manner === undefined && vary.length === 0 && removed.length === 0;
  return isSimple && headers.every(([name]) => isLowerCase(name));
}

function wholeHead({ headers, body }: RecordedResponse, add: AddedHeaders): Head {
  const head: Head = {};
  for (const [name, value] of headers) head[name] = value;
  for (const name of Object.keys(add)) head[name.toLowerCase()] = add[name]!;
  head['content-length'] = String(body.length);
  return head;
}

const STATUS_BEFORE = Symbol('restflow-cache:status-before');
const FAILED = Symbol('restflow-cache:failed');

interface SuppressedReply extends FastifyReplyLike {
  [STATUS_BEFORE]?: number;
  [FAILED]?: boolean;
}

/**
 * Makes Nest's own reply, which follows a replay, do nothing. Nest calls `reply.status(code).send(body)`, `.redirect(url)` or
 * `reply.view(…)`; a second send would be logged as a warning, or would run asynchronous hooks twice.
 *
 * The status is restored by the call after it, not ignored, because an asynchronous hook may set the status too, and that one counts.
 */
export function suppressReply(reply: SuppressedReply): void {
  reply.status = status;
  reply.send = send;
  reply.redirect = redirect;
  reply.view = view;
}

/** A hook failed, so the replay is not sent: an error handler must be able to answer. */
export function markFailed(reply: SuppressedReply): void {
  reply[FAILED] = true;
}

function status(this: SuppressedReply, code: number): SuppressedReply {
  this[STATUS_BEFORE] ??= this.raw.statusCode;
  this.code(code);
  return this;
}

/** Nest sends no payload after a replay; an error handler does. */
function send(this: SuppressedReply, payload?: unknown): unknown {
  if (payload === undefined || !this[FAILED]) return ignore(this);
  this[STATUS_BEFORE] = undefined;
  return ownMethods(this).send.call(this, payload);
}

function redirect(this: SuppressedReply, ...args: unknown[]): unknown {
  return this[FAILED] && !this.sent ? restored(this).redirect(...args) : ignore(this);
}

function view(this: SuppressedReply, ...args: unknown[]): unknown {
  return this[FAILED] && !this.sent ? restored(this).view?.(...args) : ignore(this);
}

/** Returns the reply, which Nest awaits: it resolves when the response was sent. */
function ignore(reply: SuppressedReply): SuppressedReply {
  const before = reply[STATUS_BEFORE];
  if (before !== undefined) {
    reply[STATUS_BEFORE] = undefined;
    reply.raw.statusCode = before;
  }
  return reply;
}

function restored(reply: SuppressedReply): SuppressedReply {
  const own = ownMethods(reply);
  return Object.assign(reply, { status: own.status, send: own.send, redirect: own.redirect, view: own.view });
}

function ownMethods(reply: SuppressedReply): FastifyReplyLike {
  return Object.getPrototypeOf(reply) as FastifyReplyLike;
}

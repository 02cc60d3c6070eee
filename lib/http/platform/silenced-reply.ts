import type { FastifyReplyLike } from './fastify-internals.js';

const STATUS_BEFORE = Symbol('restflow-cache:status-before');
const FAILED = Symbol('restflow-cache:failed');

interface SilencedReply extends FastifyReplyLike {
  [STATUS_BEFORE]?: number;
  [FAILED]?: boolean;
}

/**
 * Makes Nest's own reply, which follows a replay, do nothing. Nest calls `reply.status(code).send(body)`,
 * `.redirect(url)` or `reply.view(…)`; a second send would be logged as a warning, or would run the hooks twice where
 * one of them is asynchronous.
 *
 * The status is not ignored but put back by the call that follows it, because an asynchronous hook may set one too,
 * and that one counts.
 */
export function silenceReply(reply: SilencedReply): void {
  reply.status = status;
  reply.send = send;
  reply.redirect = redirect;
  reply.view = view;
}

/** A hook failed: the replay will not go out, so an error handler must be able to answer. */
export function markFailed(reply: SilencedReply): void {
  reply[FAILED] = true;
}

function status(this: SilencedReply, code: number): SilencedReply {
  this[STATUS_BEFORE] ??= this.raw.statusCode;
  this.code(code);
  return this;
}

/** What Nest sends for a replay is empty, what an error handler sends is not. */
function send(this: SilencedReply, payload?: unknown): unknown {
  if (payload === undefined || !this[FAILED]) return ignore(this);
  this[STATUS_BEFORE] = undefined;
  return ownMethods(this).send.call(this, payload);
}

function redirect(this: SilencedReply, ...args: unknown[]): unknown {
  return this[FAILED] && !this.sent ? unsilenced(this).redirect(...args) : ignore(this);
}

function view(this: SilencedReply, ...args: unknown[]): unknown {
  return this[FAILED] && !this.sent ? unsilenced(this).view?.(...args) : ignore(this);
}

/** Returns the reply, which Nest awaits: it resolves once the response is out. */
function ignore(reply: SilencedReply): SilencedReply {
  const before = reply[STATUS_BEFORE];
  if (before !== undefined) {
    reply[STATUS_BEFORE] = undefined;
    reply.raw.statusCode = before;
  }
  return reply;
}

function unsilenced(reply: SilencedReply): SilencedReply {
  const own = ownMethods(reply);
  return Object.assign(reply, { status: own.status, send: own.send, redirect: own.redirect, view: own.view });
}

function ownMethods(reply: SilencedReply): FastifyReplyLike {
  return Object.getPrototypeOf(reply) as FastifyReplyLike;
}

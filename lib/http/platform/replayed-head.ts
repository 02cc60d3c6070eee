import { appendVary, listMembers } from '../headers/vary.js';
import type { HeaderValue, RecordedResponse, ReplayOptions, SendingManner } from '../platform.interface.js';
import type { FastifyReplyLike } from './fastify-internals.js';
import { ABSENT_FROM_NOT_MODIFIED } from '../headers/header-rules.js';
import type { HeaderSnapshot } from './header-difference.js';
import type { LiveHeaders, RawResponse } from './raw-response.interface.js';

/** True if responses of a status have no body, whatever the handler wrote (RFC 9110 §6.4.1). */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** Sets the status and the headers of a recorded response on a Node response. */
export function setReplayedHead(
  response: RawResponse,
  recorded: RecordedResponse,
  { add, notModified }: ReplayOptions,
): void {
  const { status, headers, removed, vary, body, manner } = recorded;
  response.statusCode = notModified ? 304 : status;
  if (manner !== undefined && !notModified) setReason(response, manner);
  for (let index = 0; index < removed.length; index++) response.removeHeader(removed[index]!);
  for (let index = 0; index < headers.length; index++) {
    const header = headers[index]!;
    const name = header[0];
    response.setHeader(name, isVary(name) ? withLiveVary(response.getHeader(name), header[1]) : header[1]);
  }
  if (vary.length > 0) completeVary(response, vary);
  for (const name in add) {
    const value = add[name]!;
    response.setHeader(name, isVary(name) ? appendVary(response.getHeader(name), [value]) : value);
  }
  if (notModified) for (const name of ABSENT_FROM_NOT_MODIFIED) response.removeHeader(name);
  // Lower layers that take the body apart look for it, as they do after `response.send()`.
  else if (!hasNoBody(status)) response.setHeader('Content-Length', body.length);
}

function completeVary(response: RawResponse, members: readonly string[]): void {
  const live = response.getHeader('Vary');
  const complete = appendVary(live, members);
  if (complete !== live) response.setHeader('Vary', complete);
}

export function isVary(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'vary';
}

/** Middleware may have begun a Vary for this request that the recorded response did not have. */
export function withLiveVary(live: LiveHeaders[string], recorded: HeaderValue): HeaderValue {
  return live === undefined ? recorded : appendVary(live, listMembers(recorded));
}

/** Sends a recorded response with Node's own methods, or those that patched them. */
export function writeReplay(response: RawResponse, recorded: RecordedResponse, options: ReplayOptions): void {
  setReplayedHead(response, recorded, options);
  // Node refuses a body here with `rejectNonStandardBodyWrites`.
  if (options.headOnly || options.notModified) response.end();
  else response.end(bodyOf(recorded));
}

/** The body in the form that Node must get. */
export function bodyOf({ body, manner }: RecordedResponse): Buffer | string {
  return manner?.asText === true ? body.toString() : body;
}

export function setReason(response: RawResponse, { reason }: SendingManner): void {
  if (reason !== undefined && response.req?.httpVersionMajor === 1) response.statusMessage = reason;
}

/** A Node response, or a Fastify reply. */
interface HeaderHolder {
  getHeaders(): LiveHeaders;
  removeHeader(name: string): unknown;
}

/** Restores the headers from before a handler changed them; its cookies stay. */
export function restoreHeaders(
  holder: HeaderHolder,
  before: HeaderSnapshot,
  set: (name: string, value: HeaderValue) => unknown,
): void {
  for (const name of Object.keys(holder.getHeaders())) {
    if (name !== 'set-cookie' && !before.has(name)) holder.removeHeader(name);
  }
  for (const [name, value] of before) if (name !== 'set-cookie') set(name, value);
}

/** Sets the status and the headers of a recorded response on a Fastify reply. */
export function setReplyHead(
  reply: FastifyReplyLike,
  recorded: RecordedResponse,
  { add, notModified }: ReplayOptions,
): void {
  const { status, headers, removed, vary, manner } = recorded;
  const { raw } = reply;
  reply.code(notModified ? 304 : status);
  if (manner !== undefined && !notModified) setReason(raw, manner);
  for (let index = 0; index < removed.length; index++) reply.removeHeader(removed[index]!);
  for (let index = 0; index < headers.length; index++) {
    const [name, recordedValue] = headers[index]!;
    const value = isVary(name) ? withLiveVary(reply.getHeader(name), recordedValue) : recordedValue;
    if (isLowerCase(name)) reply.header(name, value);
    else raw.setHeader(name, value);
  }
  if (vary.length > 0) completeReplyVary(reply, vary);
  for (const name in add) {
    const value = add[name]!;
    reply.header(name, isVary(name) ? appendVary(reply.getHeader(name), [value]) : value);
  }
  if (notModified) for (const name of ABSENT_FROM_NOT_MODIFIED) reply.removeHeader(name);
}

function completeReplyVary(reply: FastifyReplyLike, members: readonly string[]): void {
  const live = reply.getHeader('vary');
  const complete = appendVary(live, members);
  if (complete !== live) reply.header('vary', complete);
}

/** Names with capitals were set on Node's response: Fastify's own names have none. */
export function isLowerCase(name: string): boolean {
  return name === name.toLowerCase();
}

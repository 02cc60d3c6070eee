import type { RecordedResponse, ReplayOptions } from '../platform.interface.js';
import type { FastifyReplyLike } from './fastify-internals.js';
import { ABSENT_FROM_NOT_MODIFIED } from './header-names.js';
import { isVary, setReason, withLiveVary } from './replayed-head.js';
import { appendVary } from '../headers/vary.js';

/** Gives a Fastify reply the status and the headers of a recorded response. */
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
  if (vary.length > 0) completeVary(reply, vary);
  for (const name in add) addHeader(reply, name, add[name]!);
  if (notModified) for (const name of ABSENT_FROM_NOT_MODIFIED) reply.removeHeader(name);
}

function completeVary(reply: FastifyReplyLike, members: readonly string[]): void {
  const live = reply.getHeader('vary');
  const complete = appendVary(live, members);
  if (complete !== live) reply.header('vary', complete);
}

function addHeader(reply: FastifyReplyLike, name: string, value: string): void {
  reply.header(name, isVary(name) ? appendVary(reply.getHeader(name), [value]) : value);
}

/** Other names were set on Node's response: Fastify's own have no capitals. */
export function isLowerCase(name: string): boolean {
  return name === name.toLowerCase();
}

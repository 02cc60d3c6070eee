import type { RecordedResponse, ReplayOptions } from '../http-platform.interface.js';
import type { FastifyReplyLike } from './fastify.interface.js';
import { ABSENT_FROM_NOT_MODIFIED } from './header-names.js';
import { appendVary } from './vary.js';

/** Gives a Fastify reply the status and the headers of a recorded response. */
export function setReplyHead(
  reply: FastifyReplyLike,
  recorded: RecordedResponse,
  { add, notModified }: ReplayOptions,
): void {
  const { status, headers, removed, vary } = recorded;
  reply.code(notModified ? 304 : status);
  for (let index = 0; index < removed.length; index++) reply.removeHeader(removed[index]!);
  for (let index = 0; index < headers.length; index++) {
    const header = headers[index]!;
    reply.header(header[0], header[1]);
  }
  if (vary.length > 0) reply.header('vary', appendVary(reply.getHeader('vary'), vary));
  for (const name in add) addHeader(reply, name, add[name]!);
  if (notModified) for (const name of ABSENT_FROM_NOT_MODIFIED) reply.removeHeader(name);
}

function addHeader(reply: FastifyReplyLike, name: string, value: string): void {
  const isVary = name.length === 4 && name.toLowerCase() === 'vary';
  reply.header(name, isVary ? appendVary(reply.getHeader(name), [value]) : value);
}

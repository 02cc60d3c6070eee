import type { HeaderValue, RecordedResponse, ReplayOptions } from '../http-platform.interface.js';
import { ABSENT_FROM_NOT_MODIFIED, hasNoBody } from './header-names.js';
import type { HeaderSnapshot } from './header-difference.js';
import type { LiveHeaders, RawResponse } from './raw-response.interface.js';
import { appendVary } from './vary.js';

/** Gives a Node response the status and the headers of a recorded one. */
export function setReplayedHead(
  response: RawResponse,
  recorded: RecordedResponse,
  { add, notModified }: ReplayOptions,
): void {
  const { status, headers, removed, vary, body } = recorded;
  response.statusCode = notModified ? 304 : status;
  for (let index = 0; index < removed.length; index++) response.removeHeader(removed[index]!);
  for (let index = 0; index < headers.length; index++) {
    const header = headers[index]!;
    response.setHeader(header[0], header[1]);
  }
  if (vary.length > 0) response.setHeader('Vary', appendVary(response.getHeader('Vary'), vary));
  for (const name in add) addHeader(response, name, add[name]!);
  if (notModified) for (const name of ABSENT_FROM_NOT_MODIFIED) response.removeHeader(name);
  // Lower layers that take the body apart look for it, as they do after `response.send()`.
  else if (!hasNoBody(status)) response.setHeader('Content-Length', body.length);
}

function addHeader(response: RawResponse, name: string, value: string): void {
  const isVary = name.length === 4 && name.toLowerCase() === 'vary';
  response.setHeader(name, isVary ? appendVary(response.getHeader(name), [value]) : value);
}

/** What takes and gives headers: a Node response, or a Fastify reply. */
interface HeaderHolder {
  getHeaders(): LiveHeaders;
  removeHeader(name: string): unknown;
}

/** Puts back the headers that were there before a handler changed them; its cookies stay. */
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

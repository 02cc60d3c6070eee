import type { AddedHeaders, HeaderValue, RecordedResponse, ReplayOptions } from '../platform.interface.js';
import {
  type FastifyReplyLike,
  hasLaterHooks,
  type InternalReply,
  type Internals,
  internalsOf,
  ownHeaders,
} from './fastify-internals.js';
import { hasNoBody } from './header-names.js';
import { bodyOf } from './replayed-head.js';
import { isLowerCase, setReplyHead } from './replayed-reply-head.js';

type Head = Record<string, HeaderValue>;

/** What a hit of one response sends, made once: `add` is the same object for each. */
const heads = new WeakMap<AddedHeaders, { readonly recorded: RecordedResponse; readonly head: Head }>();

/**
 * Writes a replay where all that Fastify would still do with it is to write it: no other `onSend` hook that may compress
 * or sign it, no trailers, and an answer with a body over HTTP/1. Listeners for the finished response run as for any other.
 *
 * @returns whether it was written
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
    // What was set on the raw response may have a Vary of its own, and names of which the spelling counts.
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

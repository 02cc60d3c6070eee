import type {
  AddedHeaders,
  HeaderValue,
  RecordedResponse,
  ReplayOptions,
} from '../http-platform.interface.js';
import type { FastifyReplyLike } from './fastify.interface.js';
import { hasNoBody } from './header-names.js';
import { setReplyHead } from './replayed-reply-head.js';

/** What Fastify keeps of a reply for itself; by the descriptions of its symbols, as they are in Fastify 4 and 5. */
interface Internals {
  readonly context: symbol;
  readonly headers: symbol;
  readonly trailers: symbol;
}

type Head = Record<string, HeaderValue>;

interface InternalReply extends FastifyReplyLike {
  readonly request: Readonly<Record<symbol, unknown>> & {
    readonly raw: { readonly httpVersionMajor: number };
  };
  readonly [internal: symbol]: unknown;
}

/** Looked up with the first reply. `undefined` in a Fastify that names them otherwise: then all goes through `reply.send()`. */
let internals: Internals | undefined | null = null;

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
  const inner = reply as InternalReply;
  if (internals === null) internals = internalsOf(inner);
  if (internals === undefined || somethingFollows(inner, internals)) return false;
  const { raw } = reply;
  const head = headOf(inner, inner[internals.headers] as Head, recorded, options);
  reply.hijack();
  raw.writeHead(recorded.status, head);
  raw.end(recorded.body);
  return true;
}

function somethingFollows(reply: InternalReply, { context, trailers }: Internals): boolean {
  if (reply[trailers] !== null || reply.request.raw.httpVersionMajor !== 1) return true;
  const { onSend } = reply.request[context] as { readonly onSend: readonly unknown[] | null };
  return onSend !== null && onSend.length > 1;
}

function headOf(reply: InternalReply, live: Head, recorded: RecordedResponse, options: ReplayOptions): Head {
  const { add } = options;
  if (isEmpty(live)) {
    const known = heads.get(add);
    if (known?.recorded === recorded) return known.head;
    const head = wholeHead(recorded, add);
    // What was set on the raw response has a Vary of its own, perhaps.
    if (head['vary'] === undefined) {
      heads.set(add, { recorded, head });
      return head;
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

function wholeHead({ headers, vary, body }: RecordedResponse, add: AddedHeaders): Head {
  const head: Head = {};
  for (const [name, value] of headers) head[name.toLowerCase()] = value;
  for (const name of Object.keys(add)) head[name.toLowerCase()] = add[name]!;
  if (vary.length > 0) head['vary'] = vary;
  head['content-length'] = String(body.length);
  return head;
}

function internalsOf(reply: InternalReply): Internals | undefined {
  const named = (holder: object, name: string): symbol | undefined =>
    Object.getOwnPropertySymbols(holder).find(({ description }) => description === name);
  const context = named(reply.request, 'fastify.context');
  const headers = named(reply, 'fastify.reply.headers');
  const trailers = named(reply, 'fastify.reply.trailers');
  return context && headers && trailers ? { context, headers, trailers } : undefined;
}

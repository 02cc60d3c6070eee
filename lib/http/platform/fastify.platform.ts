import type {
  HttpPlatform,
  RecordedResponse,
  RecordingControl,
  RecordOptions,
  ReplayOptions,
} from '../platform.interface.js';
import {
  type FastifyInstanceLike,
  type FastifyReplyLike,
  type FastifyRequestLike,
  hasLaterHooks,
  type NextPayload,
} from './fastify-internals.js';
import { markFailed, suppressReply, writeDirectly } from './fastify-reply.js';
import { FastifyReplyRecorder } from './fastify-reply.recorder.js';
import { isPatched, refuseCodings } from './raw-response.recorder.js';
import { ResponseRecording } from './response-recording.js';
import { bodyOf, setReplyHead, writeReplay } from './replayed-head.js';

const INSTALLED = Symbol('restflow-cache:installed');
const RECORDER = Symbol('restflow-cache:recorder');
const REPLAYED_BODY = Symbol('restflow-cache:replayed-body');

interface Reply extends FastifyReplyLike {
  readonly server: { readonly [INSTALLED]?: boolean };
  [RECORDER]?: FastifyReplyRecorder;
  [REPLAYED_BODY]?: Buffer | string | undefined;
}

/** Records and replays on Fastify: in an `onSend` hook, before the hooks that compress or sign. */
export class FastifyPlatform implements HttpPlatform {
  readonly name = 'fastify';

  /**
   * Adds the hooks for recording and replaying. Call it as early as possible: hooks that were added before see the response first, and
   * their changes are recorded. A second call does nothing.
   */
  static install(instance: FastifyInstanceLike): void {
    const marked = instance as FastifyInstanceLike & { [INSTALLED]?: boolean };
    if (marked[INSTALLED]) return;
    marked[INSTALLED] = true;
    instance.addHook('onSend', onSend);
    instance.addHook('onError', onError);
  }

  /** True for the hooks that {@link install} adds. */
  static isHook(code: unknown): boolean {
    return code === onSend;
  }

  record(request: FastifyRequestLike, reply: Reply, options: RecordOptions): RecordingControl {
    const recording = new ResponseRecording(request.method, reply.getHeaders(), options);
    if (isOver(request, reply)) recording.refuse('aborted');
    else reply[RECORDER] = new FastifyReplyRecorder(request, reply, recording);
    return recording;
  }

  replay(
    request: FastifyRequestLike,
    reply: Reply,
    recorded: RecordedResponse,
    options: ReplayOptions,
  ): undefined {
    this.send(request, reply, recorded, options);
    suppressReply(reply);
    return undefined;
  }

  send(request: FastifyRequestLike, reply: Reply, recorded: RecordedResponse, options: ReplayOptions): void {
    if (reply.sent || reply.raw.headersSent) return;
    if (recorded.status === 206) refuseCodings(request.raw);
    if (recorded.manner?.onRaw === true) replayOnRaw(reply, recorded, options);
    else if (!writeDirectly(reply, recorded, options)) sendReplay(reply, recorded, options);
  }

  mayEncode(_request: object, reply: Reply): boolean {
    return hasLaterHooks(reply) || isPatched(reply.raw);
  }

  routePath(request: FastifyRequestLike): string {
    return request.routeOptions?.url ?? '';
  }
}

function isOver({ raw }: FastifyRequestLike, reply: Reply): boolean {
  return reply.sent || reply.raw.headersSent || reply.raw.destroyed || raw.socket?.destroyed === true;
}

/** Replays a response that its handler wrote to Node's response, without the headers and hooks of the reply. */
function replayOnRaw(reply: Reply, recorded: RecordedResponse, options: ReplayOptions): void {
  reply.hijack();
  writeReplay(reply.raw, recorded, options);
}

function sendReplay(reply: Reply, recorded: RecordedResponse, options: ReplayOptions): void {
  setReplyHead(reply, recorded, options);
  sendBody(reply, options.notModified && !options.headOnly ? undefined : bodyOf(recorded));
}

/**
 * Sends the body in our own hook: `reply.send(buffer)` would parse the Content-Type, and add one if the recorded response had none. A HEAD
 * gets the body too: Fastify computes its length and does not send it.
 */
function sendBody(reply: Reply, body: Buffer | string | undefined): void {
  if (reply.server[INSTALLED]) {
    reply[REPLAYED_BODY] = body;
    reply.send(undefined);
  } else {
    reply.send(body);
  }
}

function onSend(_request: object, reply: Reply, payload: unknown, next: NextPayload): void {
  const body = reply[REPLAYED_BODY];
  if (body !== undefined) {
    reply[REPLAYED_BODY] = undefined;
    next(null, body);
    return;
  }
  const recorder = reply[RECORDER];
  if (recorder === undefined) next(null);
  else recorder.onSend(payload, next);
}

/** A later hook failed on a replayed reply: its error handler must be able to answer. */
function onError(_request: object, reply: Reply, _error: Error, next: () => void): void {
  markFailed(reply);
  next();
}

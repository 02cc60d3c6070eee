import type {
  HttpPlatform,
  RecordedResponse,
  RecordingControl,
  RecordOptions,
  ReplayOptions,
} from '../platform.interface.js';
import { isPatched, RawResponseRecorder, refuseCodings } from './raw-response.recorder.js';
import type { RawRequest, RawResponse } from './raw-response.interface.js';
import { writeReplay } from './replayed-head.js';
import { ResponseRecording } from './response-recording.js';

/** Methods that Nest replies with. */
const REPLYING = ['status', 'send', 'json', 'redirect', 'render'] as const;

/** A prototype whose reply methods do nothing, for each response prototype: Express has one for each application. */
const suppressingPrototypes = new WeakMap<object, object>();

interface ExpressRequest extends RawRequest {
  readonly baseUrl?: string;
  readonly route?: { readonly path: unknown };
}

/** Records and replays on Express: by own methods on the response, above those of middleware. */
export class ExpressPlatform implements HttpPlatform {
  readonly name = 'express';

  record(request: ExpressRequest, response: RawResponse, options: RecordOptions): RecordingControl {
    const recording = new ResponseRecording(request.method, response.getHeaders(), options);
    if (isOver(request, response)) recording.refuse('aborted');
    else new RawResponseRecorder(request, response, recording);
    return recording;
  }

  replay(
    request: ExpressRequest,
    response: RawResponse,
    recorded: RecordedResponse,
    options: ReplayOptions,
  ): undefined {
    this.send(request, response, recorded, options);
    suppressReply(response);
    return undefined;
  }

  send(
    request: ExpressRequest,
    response: RawResponse,
    recorded: RecordedResponse,
    options: ReplayOptions,
  ): void {
    if (response.headersSent) return;
    if (recorded.status === 206) refuseCodings(request);
    writeReplay(response, recorded, options);
  }

  mayEncode(_request: object, response: RawResponse): boolean {
    return isPatched(response);
  }

  routePath(request: ExpressRequest): string {
    return `${request.baseUrl ?? ''}${String(request.route?.path ?? '')}`;
  }
}

/**
 * Makes Nest's own reply, which follows a replay, do nothing for this response: neither a second send, nor a redirect,
 * nor a view. The status is included, because loggers read it once the response has finished, and by then Nest would
 * have set the one of the route.
 *
 * The prototype is changed, as Express itself does for each response: five methods on the instance make V8 give up its
 * shape, and cost more than sending the stored bytes.
 */
export function suppressReply(response: object): void {
  const prototype = Object.getPrototypeOf(response) as object;
  Object.setPrototypeOf(response, suppressingPrototypes.get(prototype) ?? suppressingPrototypeOf(prototype));
}

function suppressingPrototypeOf(prototype: object): object {
  const silent = Object.create(prototype) as Record<string, unknown>;
  for (const name of REPLYING) silent[name] = returnThis;
  suppressingPrototypes.set(prototype, silent);
  return silent;
}

function returnThis<T>(this: T): T {
  return this;
}

function isOver(request: ExpressRequest, response: RawResponse): boolean {
  return (
    response.headersSent || response.writableEnded || response.destroyed || request.socket?.destroyed === true
  );
}

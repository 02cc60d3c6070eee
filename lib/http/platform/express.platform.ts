import type {
  HttpPlatform,
  RecordedResponse,
  RecordingControl,
  RecordOptions,
  ReplayOptions,
} from '../http-platform.interface.js';
import { ABSENT_FROM_NOT_MODIFIED, hasNoBody } from './header-names.js';
import type { RawRequest, RawResponse } from './raw-response.interface.js';
import { RawResponseRecorder } from './raw-response.recorder.js';
import { ResponseRecording } from './response-recording.js';
import { silenceResponse } from './silenced-response.js';
import { appendVary } from './vary.js';

interface ExpressRequest extends RawRequest {
  readonly baseUrl?: string;
  readonly route?: { readonly path: unknown };
}

/** Records and replays on Express: at our own methods of the response, above those of middleware. */
export class ExpressPlatform implements HttpPlatform {
  readonly name = 'express';

  record(request: ExpressRequest, response: RawResponse, options: RecordOptions): RecordingControl {
    const recording = new ResponseRecording(request.method, response.getHeaders(), options);
    if (isOver(request, response)) recording.refuse('aborted');
    else new RawResponseRecorder(request, response, recording);
    return recording;
  }

  replay(
    _request: object,
    response: RawResponse,
    recorded: RecordedResponse,
    options: ReplayOptions,
  ): undefined {
    if (!response.headersSent) {
      setHead(response, recorded, options);
      // Node refuses a body here under `rejectNonStandardBodyWrites`.
      if (options.headOnly || options.notModified) response.end();
      else response.end(recorded.body);
    }
    silenceResponse(response);
    return undefined;
  }

  routePath(request: ExpressRequest): string {
    return `${request.baseUrl ?? ''}${String(request.route?.path ?? '')}`;
  }
}

function isOver(request: ExpressRequest, response: RawResponse): boolean {
  return (
    response.headersSent || response.writableEnded || response.destroyed || request.socket?.destroyed === true
  );
}

function setHead(
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

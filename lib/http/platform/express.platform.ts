import type {
  HttpPlatform,
  RecordedResponse,
  RecordingControl,
  RecordOptions,
  ReplayOptions,
} from '../platform.interface.js';
import { isPatched, refuseCodings } from './lower-layers.js';
import type { RawRequest, RawResponse } from './raw-response.interface.js';
import { RawResponseRecorder } from './raw-response.recorder.js';
import { writeReplay } from './replayed-head.js';
import { ResponseRecording } from './response-recording.js';
import { silenceResponse } from './silenced-response.js';

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
    request: ExpressRequest,
    response: RawResponse,
    recorded: RecordedResponse,
    options: ReplayOptions,
  ): undefined {
    this.send(request, response, recorded, options);
    silenceResponse(response);
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

function isOver(request: ExpressRequest, response: RawResponse): boolean {
  return (
    response.headersSent || response.writableEnded || response.destroyed || request.socket?.destroyed === true
  );
}

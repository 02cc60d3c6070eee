import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { finalize, type Observable, of, tap } from 'rxjs';
import type {
  AddedHeaders,
  HeadDecision,
  HttpPlatform,
  RecordedResponse,
  Recording,
  ResponseHead,
} from '../../../../lib/http/platform.interface.js';
import { until } from '../../../support/until.js';

/** Records the first answer to each URL and replays it afterwards. */
@Injectable()
export class Recorder implements NestInterceptor {
  readonly stored = new Map<string, RecordedResponse>();
  readonly recordings: Recording[] = [];
  readonly heads: ResponseHead[] = [];
  readonly patterns: string[] = [];
  maxBodyBytes = 1024 * 1024;
  decide: (head: ResponseHead) => HeadDecision | undefined = () => undefined;
  add: AddedHeaders = {};
  notModified = false;
  /** Values that interceptors outside of ours would see. */
  readonly emitted: unknown[] = [];

  constructor(private readonly platform: HttpPlatform) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<{ url: string; method: string }>();
    const response = context.switchToHttp().getResponse<object>();
    this.patterns.push(this.platform.routePath(request));
    const stored = this.stored.get(request.url);
    if (stored)
      return of(this.replay(request, response, stored)).pipe(tap((value) => this.emitted.push(value)));
    return this.record(request, response, next);
  }

  /** Waits until as many recordings have settled, and a moment more for one too many. */
  async settled(count: number): Promise<Recording[]> {
    await until(() => this.recordings.length >= count);
    await pause(10);
    return this.recordings;
  }

  private replay(request: { method: string }, response: object, stored: RecordedResponse): unknown {
    const headOnly = request.method === 'HEAD';
    return this.platform.replay(request, response, stored, {
      add: this.add,
      notModified: this.notModified,
      headOnly,
    });
  }

  private record(request: { url: string }, response: object, next: CallHandler): Observable<unknown> {
    const control = this.platform.record(request, response, {
      maxBodyBytes: this.maxBodyBytes,
      head: (head) => {
        this.heads.push(head);
        return this.decide(head);
      },
      done: (recording) => {
        this.recordings.push(recording);
        if (recording.response) this.stored.set(request.url, recording.response);
      },
    });
    let complete = false;
    return next.handle().pipe(
      tap({ complete: () => (complete = true) }),
      finalize(() => complete || control.fail()),
    );
  }
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { tap, type Observable } from 'rxjs';
import { runUnobserved } from './inputs/observed-reads.js';

interface ResponseLike {
  /** `headersSent` of Express and Node, `sent` of Fastify. */
  readonly headersSent?: boolean;
  readonly sent?: boolean;
  getHeader(name: string): unknown;
  removeHeader(name: string): unknown;
  setHeader?(name: string, value: string): unknown;
  header?(name: string, value: string): unknown;
}

/**
 * Removes the lifetime that a decorator has set from answers to errors: outer caches would serve the error for that time. Directives that
 * restrict caches stay.
 */
export class FailedLifetimeInterceptor implements NestInterceptor {
  /**
   * @param cacheControl the value of the decorator, set by `@Header()`
   * @param forbidding its directives that hold for errors too; may be empty
   */
  constructor(
    private readonly cacheControl: string,
    private readonly forbidding: string,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const response = context.switchToHttp().getResponse<ResponseLike>();
    let answered = false;
    return next.handle().pipe(
      tap({
        next: () => (answered = true),
        error: () => this.#fail(response),
        // An outer interceptor may time out and answer with an error, too.
        unsubscribe: () => answered || this.#fail(response),
      }),
    );
  }

  #fail(response: ResponseLike): void {
    const isOut = response.headersSent === true || response.sent === true;
    if (isOut || runUnobserved(() => response.getHeader('cache-control')) !== this.cacheControl) return;
    response.removeHeader('cache-control');
    if (this.forbidding === '') return;
    if (response.setHeader) response.setHeader('Cache-Control', this.forbidding);
    else response.header?.('Cache-Control', this.forbidding);
  }
}

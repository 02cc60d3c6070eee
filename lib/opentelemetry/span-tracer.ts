import {
  type Attributes,
  context,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { isThenable } from '../common/async.js';
import { messageOf } from '../common/messages.js';
import type { CacheTracer, LoadedMethod, SpanAttributes, TracedLoad } from '../observability/tracing.js';

/** Name of the instrumentation scope. */
export const SCOPE = 'nestjs-restflow-cache';

/** What spans tell beyond the default. */
export interface SpanOptions {
  /** A span for each hit too. */
  readonly hits: boolean;
  /** Keys of entries in `cache.key`: they hold arguments of calls. */
  readonly keys: boolean;
}

/** Whether an SDK makes spans; without one, nothing needs to be instrumented. */
export function hasTracerProvider(): boolean {
  return isSpanContextValid(trace.getTracer(SCOPE).startSpan('probe').spanContext());
}

/** Makes spans of the work of caches. */
export class SpanTracer implements CacheTracer {
  readonly #tracer: Tracer = trace.getTracer(SCOPE);

  constructor(
    private readonly options: SpanOptions,
    private readonly onLoad: (of: LoadedMethod, seconds: number) => void,
  ) {}

  load(of: LoadedMethod): TracedLoad {
    // The span of a request says whether its answer came from the cache.
    if (of.isResponse) trace.getActiveSpan()?.setAttribute('cache.hit', false);
    const span = this.#start(`cache.load ${of.method}`, { ...attributesOf(of), 'cache.hit': false });
    const end = (seconds: number): void => {
      span.end();
      this.onLoad(of, seconds);
    };
    return {
      run: (start) => context.with(trace.setSpan(context.active(), span), start),
      ended: end,
      failed: (error, seconds) => {
        fail(span, error);
        end(seconds);
      },
    };
  }

  hit(of: LoadedMethod, key: string): void {
    if (of.isResponse) trace.getActiveSpan()?.setAttribute('cache.hit', true);
    if (!this.options.hits) return;
    const keys = this.options.keys ? { 'cache.key': key } : {};
    this.#start(`cache.get ${of.method}`, { ...attributesOf(of), 'cache.hit': true, ...keys }).end();
  }

  operation<T>(name: string, attributes: SpanAttributes, work: () => T): T {
    const kind = name.startsWith('cache.store') ? SpanKind.CLIENT : SpanKind.INTERNAL;
    return inside(this.#start(name, attributes, name === 'cache.dispatch' ? SpanKind.PRODUCER : kind), work);
  }

  job<T>(carrier: unknown, attributes: SpanAttributes, work: () => T): T {
    const parent = isCarrier(carrier) ? propagation.extract(context.active(), carrier) : context.active();
    return context.with(parent, () => inside(this.#start('cache.job', attributes, SpanKind.CONSUMER), work));
  }

  carrier(): Readonly<Record<string, string>> | undefined {
    const carrier: Record<string, string> = {};
    propagation.inject(context.active(), carrier);
    return Object.keys(carrier).length === 0 ? undefined : carrier;
  }

  #start(name: string, attributes: Attributes, kind = SpanKind.INTERNAL): Span {
    return this.#tracer.startSpan(name, { kind, attributes });
  }
}

function attributesOf({ namespace, method }: LoadedMethod): Attributes {
  return { 'cache.namespace': namespace, 'cache.method': method };
}

/** Runs work inside a span, which ends when the work has settled. */
function inside<T>(span: Span, work: () => T): T {
  const failed = (error: unknown): void => {
    fail(span, error);
    span.end();
  };
  try {
    const result = context.with(trace.setSpan(context.active(), span), work);
    if (isThenable(result)) result.then(() => span.end(), failed);
    else span.end();
    return result;
  } catch (error) {
    failed(error);
    throw error;
  }
}

function fail(span: Span, error: unknown): void {
  if (error instanceof Error) span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
}

/** A queue may deliver anything. */
function isCarrier(carrier: unknown): carrier is Record<string, string> {
  return (
    typeof carrier === 'object' &&
    carrier !== null &&
    Object.values(carrier).every((value) => typeof value === 'string')
  );
}

/** Attributes of a span, by name. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A load that is traced. */
export interface TracedLoad {
  /** Runs the load, or its start, inside its span. */
  run<T>(start: () => T): T;
  ended(seconds: number): void;
  failed(error: unknown, seconds: number): void;
}

/** What a load is of. */
export interface LoadedMethod {
  readonly namespace: string;
  readonly method: string;
  /** Of a controller handler: the span around it is that of its request. */
  readonly isResponse: boolean;
}

/** Turns the work of all caches of this process into spans. */
export interface CacheTracer {
  load(of: LoadedMethod): TracedLoad;
  /** A value was served from the cache. @param key of its entry */
  hit(of: LoadedMethod, key: string): void;
  /** Runs work inside a span, which ends when the work has settled. */
  operation<T>(name: string, attributes: SpanAttributes, work: () => T): T;
  /** Runs a job that a queue delivered, inside the trace that dispatched it. @param carrier of its job */
  job<T>(carrier: unknown, attributes: SpanAttributes, work: () => T): T;
  /** The trace of the caller, for a job; `undefined` outside of traces. */
  carrier(): Readonly<Record<string, string>> | undefined;
}

let tracer: CacheTracer | undefined;

/** `undefined` where nothing traces: then an operation costs one comparison. */
export function activeTracer(): CacheTracer | undefined {
  return tracer;
}

/** @returns ends it */
export function traceWith(next: CacheTracer): () => void {
  tracer = next;
  return () => {
    if (tracer === next) tracer = undefined;
  };
}

/** Runs work inside a span, where something traces. */
export function traced<T>(name: string, attributes: SpanAttributes, work: () => T): T {
  return tracer === undefined ? work() : tracer.operation(name, attributes, work);
}

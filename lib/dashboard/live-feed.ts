import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { CACHE_CHANNELS, type InvalidateEvent } from '../observability/events.js';
import { hidden } from './hidden-text.js';

/** Milliseconds between two reports. */
const REPORT_MS = 2_000;

/** Proxies close connections on which nothing is sent. Milliseconds. */
const COMMENT_MS = 15_000;

/** Invalidations that are kept for a viewer who comes later, while there is one. */
const MAX_KEPT = 200;

/** Tags of one invalidation that are shown. */
const MAX_TAGS = 20;

/** At most so many viewers at one time in one process. */
const MAX_VIEWERS = 50;

/** Connections on which more than this waits are closed: their viewer does not read. Bytes. */
const MAX_UNSENT = 1_000_000;

/** An invalidation, as the page shows it. */
export interface InvalidationView {
  readonly at: number;
  readonly mode: 'purge' | 'expire';
  readonly cause: string;
  readonly methods: readonly string[];
  readonly everything: boolean;
  readonly count: number;
  readonly tags: readonly string[];
}

/** The part of a response of Node that is written. */
export interface ViewerConnection {
  writeHead(status: number, headers: Record<string, string>): unknown;
  write(text: string): boolean;
  end(): unknown;
  on(event: 'close', listener: () => void): unknown;
  readonly writableLength: number;
  readonly writableEnded: boolean;
}

/** Sends reports and invalidations to those who look; while nobody does, it listens to nothing. */
export class LiveFeed {
  readonly #viewers = new Set<ViewerConnection>();
  readonly #kept: InvalidationView[] = [];
  #timers: NodeJS.Timeout[] = [];
  #isClosed = false;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly report: () => object,
    private readonly showsKeys: boolean,
  ) {}

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Invalidations since somebody looks, the newest last. */
  get invalidations(): readonly InvalidationView[] {
    return this.#kept;
  }

  /** @returns whether there was room for another viewer */
  add(connection: ViewerConnection, headers: Record<string, string>): boolean {
    if (this.#isClosed || this.#viewers.size >= MAX_VIEWERS) return false;
    connection.writeHead(200, { ...headers, ...STREAM_HEADERS });
    // What browsers wait before they come again, in milliseconds.
    connection.write('retry: 3000\n\n');
    connection.write(message('invalidations', this.#kept));
    connection.write(message('report', this.report()));
    connection.on('close', () => this.#remove(connection));
    this.#viewers.add(connection);
    if (this.#viewers.size === 1) this.#begin();
    return true;
  }

  /** Ends every stream: a connection that stays open would hold up the shutdown. */
  close(): void {
    this.#isClosed = true;
    for (const viewer of this.#viewers) {
      viewer.end();
      this.#remove(viewer);
    }
  }

  #begin(): void {
    this.runtime.sampleHits(100);
    subscribe(CACHE_CHANNELS.invalidate, this.#onInvalidate);
    this.#timers = [
      setInterval(() => this.#send(message('report', this.report())), REPORT_MS),
      setInterval(() => this.#send(': \n\n'), COMMENT_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  #remove(viewer: ViewerConnection): void {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
    unsubscribe(CACHE_CHANNELS.invalidate, this.#onInvalidate);
    for (const timer of this.#timers) clearInterval(timer);
    this.#kept.length = 0;
  }

  #send(text: string): void {
    for (const viewer of this.#viewers) {
      if (viewer.writableEnded || viewer.writableLength > MAX_UNSENT) viewer.end();
      else viewer.write(text);
    }
  }

  readonly #onInvalidate = (event: unknown): void => {
    const { namespace, mode, cause, methods, everything, count, tags } = event as InvalidateEvent;
    if (namespace !== this.runtime.space.namespace) return;
    const shown = tags.slice(0, MAX_TAGS).map((tag) => (this.showsKeys ? tag : hidden(tag)));
    const at = this.runtime.settings.clock.now();
    const view = { at, mode, cause, methods, everything, count, tags: shown };
    this.#kept.push(view);
    if (this.#kept.length > MAX_KEPT) this.#kept.shift();
    this.#send(message('invalidation', view));
  };
}

/** Proxies must pass each message on at once, and nobody may store them. */
const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/** JSON has no line ends, which would end a message. */
function message(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

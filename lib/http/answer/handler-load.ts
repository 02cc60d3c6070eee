import type { Observable } from 'rxjs';
import { tap } from 'rxjs';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { LoadWatch } from '../../observability/load-watch.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { Recording } from '../platform.interface.js';

/** The run of a handler, counted as a load of its method. */
export class HandlerLoad {
  readonly #watch: LoadWatch;
  #error: unknown;

  constructor(
    { engine }: CacheRuntime,
    private readonly route: CachedRoute,
  ) {
    this.#watch = new LoadWatch(route.target.counters, engine.clock);
  }

  /** @param failed told of what the handler throws */
  run<T>(handle: () => Observable<T>, failed: () => void): Observable<T> {
    const error = (thrown: unknown): void => {
      this.#error = thrown;
      failed();
    };
    return this.#watch.begin(() => handle().pipe(tap({ error })));
  }

  /**
   * To be called once its answer has gone.
   * @param isOffered whether it was given to the store, or needs not be
   */
  ended({ response, ...refused }: Recording, isOffered: boolean): void {
    const status = response?.status ?? ('status' in refused ? refused.status : undefined);
    if (status !== undefined && status >= 500) return this.#watch.failed(this.#error);
    this.#watch.succeeded();
    if (!isOffered) this.route.target.counters.notStored++;
  }
}

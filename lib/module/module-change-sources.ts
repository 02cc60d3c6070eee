import type { CacheRuntime } from '../cache/cache-runtime.js';
import { InvalidationFailedError, type ChangeSource, type ChangeSourceHost } from '../invalidation/index.js';
import { endAll } from './module-ending.js';
import type { DataSourceAttacher } from '../typeorm/index.js';

/** The sources of changes of one application. */
export class ModuleChangeSources {
  readonly #host: ChangeSourceHost;

  constructor(
    private readonly sources: readonly ChangeSource[],
    private readonly runtime: CacheRuntime,
    dataSources: DataSourceAttacher,
  ) {
    this.#host = {
      changed: (rows) => unraised(dataSources.changedElsewhere(rows)),
      missed: () => unraised(dataSources.missedChanges()),
      failed: (topic, message, error) => runtime.log.error(topic, message, error),
    };
  }

  async start(): Promise<void> {
    await Promise.all(this.sources.map((source) => source.start(this.#host)));
  }

  /** Whatever becomes of one: there is more to be closed. */
  async close(): Promise<void> {
    await endAll(this.sources, (source) => source.close(), this.runtime.log, 'A source of changes');
  }
}

/** There is no write to reject: what a rule wants raised stands in the log, and a source that heard of it would tell it all again. */
async function unraised(told: Promise<void>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (!(error instanceof InvalidationFailedError)) throw error;
  }
}

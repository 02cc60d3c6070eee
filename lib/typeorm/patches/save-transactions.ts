import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';
import { keepFast } from './replaced-method.js';

/**
 * Recognises transactions that save() and remove() begin themselves and in which no code of the application runs: no code can read
 * the cache there, so the async context need not be marked. Marking it makes every promise dearer on Node 22 and older, which
 * costs more than everything else that watches a save (`npm run bench -- typeorm`). This file can go when Node 22 is no longer
 * supported.
 */
export class SaveTransactions {
  readonly #saves: SaveDetector;
  #metadatas: readonly OrmMetadata[] | undefined;
  #hasListeners = false;

  /** @param isOurs tells our own subscribers from those of the application */
  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly isOurs: (subscriber: object) => boolean,
  ) {
    this.#saves = saveDetectorOf(dataSource.driver);
  }

  /** True if the transaction that `beforeTransactionStart` announces is one of those. */
  get isBeginning(): boolean {
    return this.#saves.isBeginning && !this.#runsApplicationCode();
  }

  /** Carries out a call of startTransaction(). */
  starting<T>(start: () => T): T {
    return this.#saves.starting(start);
  }

  #runsApplicationCode(): boolean {
    const { entityMetadatas, subscribers } = this.dataSource;
    if (entityMetadatas !== this.#metadatas) {
      this.#metadatas = entityMetadatas;
      this.#hasListeners = entityMetadatas.some(
        ({ listeners }) => listeners === undefined || listeners.length > 0,
      );
    }
    return this.#hasListeners || !subscribers.every(this.isOurs);
  }
}

/**
 * Recognises save() and remove() by the last thing that they do before they begin a transaction.
 *
 * Relies on TypeORM: they read `driver.transactionSupport`, a plain property, and call `startTransaction()` in the same turn; nothing
 * else reads it there. Where it is not a plain property, no transaction counts as theirs: slower, and as correct.
 */
class SaveDetector {
  #isAsked = false;
  #isBeginning = false;
  readonly #forget = (): void => void (this.#isAsked = false);

  constructor(driver: object) {
    const property = Object.getOwnPropertyDescriptor(driver, 'transactionSupport');
    if (property === undefined || !('value' in property) || property.configurable !== true) return;
    let support: unknown = property.value;
    Object.defineProperty(driver, 'transactionSupport', {
      configurable: true,
      enumerable: true,
      get: () => {
        if (!this.#isAsked) void Promise.resolve().then(this.#forget);
        this.#isAsked = true;
        return support;
      },
      set: (value: unknown) => void (support = value),
    });
    keepFast(driver);
  }

  get isBeginning(): boolean {
    return this.#isBeginning;
  }

  starting<T>(start: () => T): T {
    this.#isBeginning = this.#isAsked;
    try {
      return start();
    } finally {
      this.#isBeginning = this.#isAsked = false;
    }
  }
}

const detectors = new WeakMap<object, SaveDetector>();

/** One for each driver, shared by all collectors: drivers outlive them. */
function saveDetectorOf(driver: object): SaveDetector {
  let detector = detectors.get(driver);
  if (detector === undefined) detectors.set(driver, (detector = new SaveDetector(driver)));
  return detector;
}

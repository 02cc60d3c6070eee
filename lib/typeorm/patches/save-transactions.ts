import { keepFast } from './replaced-method.js';
import type { OrmDataSource, OrmMetadata } from '../typeorm.interface.js';

interface Driver {
  transactionSupport?: unknown;
}

/**
 * Tells transactions that save() and remove() begin themselves, and in which no code of the application runs: nobody can
 * read the cache there. Putting a context inside a transaction makes every promise dearer up to Node 22, which would cost
 * more than all else that watches a save.
 */
export class SaveTransactions {
  readonly #saves: SaveDetector;
  #metadatas: readonly OrmMetadata[] | undefined;
  #hasListeners = false;

  /** @param ours tells our own subscribers from those of the application */
  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly ours: (subscriber: object) => boolean,
  ) {
    this.#saves = savesOf(dataSource.driver);
  }

  /** Asked by the hook that is told of a transaction before it has begun. */
  get isBeginning(): boolean {
    return this.#saves.isBeginning && !this.#runsApplicationCode();
  }

  /** Carries out startTransaction(), whoever called it. */
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
    return this.#hasListeners || !subscribers.every(this.ours);
  }
}

/**
 * Sees save() and remove() by what they do last before they begin a transaction: they ask the driver whether it has any.
 * Where a driver answers in another way, no transaction is taken for theirs.
 */
class SaveDetector {
  #asked = false;
  #isBeginning = false;
  readonly #forget = (): void => void (this.#asked = false);

  constructor(driver: Driver) {
    const property = Object.getOwnPropertyDescriptor(driver, 'transactionSupport');
    if (property === undefined || !('value' in property) || property.configurable !== true) return;
    let support: unknown = property.value;
    Object.defineProperty(driver, 'transactionSupport', {
      configurable: true,
      enumerable: true,
      get: () => {
        if (!this.#asked) void Promise.resolve().then(this.#forget);
        this.#asked = true;
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
    this.#isBeginning = this.#asked;
    try {
      return start();
    } finally {
      this.#isBeginning = this.#asked = false;
    }
  }
}

const known = new WeakMap<object, SaveDetector>();

/** Drivers outlive those who watch them, and are asked by one for all. */
function savesOf(driver: object): SaveDetector {
  let saves = known.get(driver);
  if (saves === undefined) known.set(driver, (saves = new SaveDetector(driver)));
  return saves;
}

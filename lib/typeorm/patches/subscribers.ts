import { keepFast } from './replaced-method.js';

interface SubscriberSource {
  subscribers: object[];
}

/**
 * Keeps subscribers at the front of `DataSource.subscribers`: one that throws keeps those behind it from being called.
 *
 * Relies on TypeORM: events are broadcast to `dataSource.subscribers`, in order, and `initialize()` assigns a new array to it. The
 * property becomes an accessor, so that whichever array is assigned has ours at its front before anything can be written.
 * Checked when it is made: where the property cannot be replaced, changes would be missed, so it throws.
 */
export class FrontSubscribers {
  readonly #dataSource: SubscriberSource;
  #ours: readonly object[] = [];
  #all: object[];

  /** @throws TypeError where `subscribers` cannot be replaced */
  constructor(dataSource: SubscriberSource) {
    const own = Object.getOwnPropertyDescriptor(dataSource, 'subscribers');
    if (own === undefined ? !Object.isExtensible(dataSource) : own.configurable !== true)
      throw new TypeError(
        'The property subscribers of a TypeORM DataSource cannot be replaced, so changes would not be seen. Pass the DataSource itself, ' +
          'not a frozen copy, or dataSources: false to go without invalidation.',
      );
    this.#dataSource = dataSource;
    this.#all = dataSource.subscribers;
    Object.defineProperty(dataSource, 'subscribers', {
      configurable: true,
      enumerable: true,
      get: () => this.#all,
      set: (subscribers: object[]) => {
        const others = subscribers.filter((subscriber) => !this.#ours.includes(subscriber));
        this.#all = [...this.#ours, ...others];
      },
    });
    keepFast(dataSource);
  }

  add(subscriber: object): void {
    this.#ours = [...this.#ours, subscriber];
    this.#all.unshift(subscriber);
  }

  remove(subscriber: object): void {
    this.#ours = this.#ours.filter((one) => one !== subscriber);
    // A new array: a broadcast may be iterating over the old one.
    this.#all = this.#all.filter((one) => one !== subscriber);
  }

  /** Makes `subscribers` a plain property again. */
  putBack(): void {
    Object.defineProperty(this.#dataSource, 'subscribers', {
      configurable: true,
      enumerable: true,
      writable: true,
      value: this.#all,
    });
    keepFast(this.#dataSource);
  }
}

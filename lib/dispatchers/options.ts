import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, type OptionRows, type OptionTable } from '../common/options.js';

/** Option table of a dispatcher, with the options that `dispatcherConfig` of a rule may override. */
export class DispatcherOptions<T extends object> {
  readonly #table: OptionTable<T>;
  readonly #ofRules: OptionTable<T>;
  readonly #where: string;

  constructor(
    private readonly dispatcher: string,
    rows: OptionRows<T>,
    {
      required = [],
      ofRules = [],
    }: { required?: readonly (keyof T & string)[]; ofRules?: readonly (keyof T & string)[] } = {},
  ) {
    this.#where = `The dispatcher '${dispatcher}'`;
    const example = 'an object of its options';
    this.#table = { rows, required, example, error: invalid };
    const some = Object.fromEntries(ofRules.map((name) => [name, rows[name]])) as unknown as OptionRows<T>;
    this.#ofRules = { rows: some, example, error: invalid };
  }

  /**
   * @param layers defaults, the options of the factory, and those of `dispatcherSettings` or `dispatcherConfig`; later ones override
   * @throws CacheConfigurationError for an option that is unknown, missing or of the wrong type
   */
  read(...layers: readonly (object | undefined)[]): Required<T> {
    const options: object = Object.assign({}, ...layers.map(withoutUndefined));
    checkOptions(this.#table, options, this.#where);
    return options as Required<T>;
  }

  /**
   * Checks `dispatcherConfig` of a rule.
   * @throws CacheConfigurationError for options that only `dispatcherSettings` may give, and for values of the wrong type
   */
  checkRule(config: object): void {
    const known = Object.keys(this.#table.rows);
    const fixed = Object.keys(config).find(
      (name) => known.includes(name) && !Object.hasOwn(this.#ofRules.rows, name),
    );
    if (fixed === undefined)
      return checkOptions(this.#ofRules, config, `dispatcherConfig of '${this.dispatcher}'`);
    throw invalid(
      `dispatcherConfig of '${this.dispatcher}': ${fixed} is the same for all rules. Write it in ` +
        `dispatcherSettings: { '${this.dispatcher}': { ${fixed}: … } } of forRoot.`,
    );
  }
}

/** The default queue of a namespace. BullMQ allows no colon in the name of a queue. */
export function queueOf(namespace: string): string {
  return `${namespace.replaceAll(':', '.')}-invalidation`;
}

function withoutUndefined(layer: object | undefined): object {
  return Object.fromEntries(Object.entries(layer ?? {}).filter(([, value]) => value !== undefined));
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError('DISPATCHER_OPTION', message);
}

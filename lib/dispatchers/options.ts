import { CacheConfigurationError } from '../common/errors.js';

/** What an option must be, as a test and in words. */
export type OptionTests<T> = { readonly [K in keyof T]-?: readonly [(value: unknown) => boolean, string] };

export const positive = [
  (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0,
  'a positive whole number',
] as const;

export const boolean = [(value: unknown) => typeof value === 'boolean', 'true or false'] as const;

export const text = [
  (value: unknown) => typeof value === 'string' && value !== '',
  'a text that is not empty',
] as const;

export const anObject = [
  (value: unknown) => typeof value === 'object' && value !== null,
  'an object',
] as const;

/**
 * The options of a dispatcher: its defaults, what the factory was given, and what `dispatcherSettings` or `dispatcherConfig`
 * say.
 *
 * @throws CacheConfigurationError for an option that is not known or cannot work
 */
export function readOptions<T extends object>(
  dispatcher: string,
  tests: OptionTests<T>,
  ...layers: readonly object[]
): Required<T> {
  const options = Object.assign({}, ...layers.map(withoutUndefined)) as Required<T>;
  for (const [name, value] of Object.entries(options)) {
    const test = (tests as Record<string, OptionTests<T>[keyof T] | undefined>)[name];
    if (test === undefined) {
      throw invalid(
        `The dispatcher '${dispatcher}' knows no option ${name}. Known are: ${Object.keys(tests).join(', ')}.`,
      );
    }
    if (!test[0](value))
      throw invalid(`The dispatcher '${dispatcher}': ${name} is ${String(value)}. Write ${test[1]}.`);
  }
  return options;
}

/**
 * Checks `dispatcherConfig` of a rule: the options that may differ from rule to rule.
 *
 * @throws CacheConfigurationError for others, and for values that cannot work
 */
export function checkRuleOptions<T extends object>(
  dispatcher: string,
  tests: OptionTests<T>,
  allowed: readonly (keyof T & string)[],
  config: object,
): void {
  const other = Object.keys(config).find((name) => !allowed.includes(name as never));
  if (other !== undefined) {
    throw invalid(
      `dispatcherConfig says ${other} to the dispatcher '${dispatcher}'. It may say ${allowed.join(', ')}; what holds for all rules ` +
        `stands in dispatcherSettings: { '${dispatcher}': { … } } of forRoot.`,
    );
  }
  readOptions(dispatcher, tests, config);
}

function withoutUndefined(layer: object): object {
  return Object.fromEntries(Object.entries(layer).filter(([, value]) => value !== undefined));
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError('DISPATCHER_OPTION', message);
}

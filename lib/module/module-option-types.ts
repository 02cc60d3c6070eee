import type { Clock } from '../common/time.js';
import { isBoolean, isSync, isText, type OptionTypes } from '../common/options.js';
import type { ChangeSource } from '../invalidation/index.js';

const isFunction = (value: unknown): boolean => typeof value === 'function';
const isList = (value: unknown): boolean => Array.isArray(value);
const isWholeFrom = (least: number) => (value: unknown) =>
  Number.isSafeInteger(value) && (value as number) >= least;
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !isList(value);
const isDataSources = (value: unknown): boolean => value === 'auto' || value === false || isList(value);
const isChangeSources = (value: unknown): boolean =>
  isList(value) && (value as (Partial<ChangeSource> | null)[]).every((one) => isFunction(one?.start));
const isClock = (value: unknown): boolean =>
  isFunction((value as Clock | null)?.now) && isFunction((value as Clock).after);

/** What the options of the module must be, where a line says it. */
export const MODULE_OPTION_TYPES: OptionTypes = {
  version: [isText, `a text that is not empty, e.g. process.env.GIT_SHA ?? 'dev'`],
  enabled: [
    (value: unknown): boolean => isBoolean(value) || isSync(value),
    'true, false or a function that answers one, at once',
  ],
  changeSources: [isChangeSources, 'a list of change sources, e.g. [postgresChanges({ client })]'],
  exactStatements: [isBoolean, 'true or false'],
  setCacheHeaders: [isBoolean, 'true or false'],
  isAuthenticated: [isSync, '(request) => boolean, which answers at once'],
  maxKeySuffixLength: [isWholeFrom(64), 'a whole number of characters, at least 64'],
  maxLoadsWhenDown: [isWholeFrom(1), 'a whole number of loads, at least 1'],
  stores: [
    (value: unknown): boolean => isObject(value) && !Object.hasOwn(value as object, ''),
    'an object of stores by name: { bulk: memoryStore() }',
  ],
  dispatcherSettings: [
    (value: unknown): boolean => isObject(value) && Object.values(value as object).every(isObject),
    'an object of settings by name of a dispatcher: { background: { concurrency: 4 } }',
  ],
  clock: [isClock, 'a clock: { now(): number; after(ms, callback): () => void }'],
  keyHashAlgorithm: [
    (value: unknown): boolean => isText(value) || isFunction(value),
    `the name of a digest of node:crypto, e.g. 'sha256', or a function`,
  ],
  dispatchers: [
    isList,
    'a list of dispatchers: classes with @InvalidationDispatcher(), or outboxDispatcher()',
  ],
  raiseException: [isBoolean, 'true or false'],
  defaultDispatcher: [
    (value: unknown): boolean => typeof value === 'string',
    `the name of a dispatcher, e.g. 'inline'`,
  ],
  dataSources: [isDataSources, `'auto', false or a list of DataSources`],
};

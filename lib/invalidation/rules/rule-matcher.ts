import { coarseValue } from '../../keys/index.js';
import type { Change, RowView } from '../change.interface.js';
import { DATA_SOURCE_PATH, type RuleOptions } from './rule-options.js';

/** The entries that a change drops by a rule: none, all of the method, or these partitions. */
export type RuleEffect = 'none' | 'all' | readonly Readonly<Record<string, unknown>>[];

/** True if a change fires a rule, by its type, columns and conditions. Unknown values count as a match. */
export function fires(rule: RuleOptions, change: Change): boolean {
  if (change.type === 'insert' && rule.triggerOnCreate === false) return false;
  return watchedColumnChanged(rule.watchFields, change) && conditionsHold(rule.invalidateWhen, change);
}

function watchedColumnChanged(watched: readonly string[] | undefined, change: Change): boolean {
  if (watched === undefined || change.type !== 'update' || change.updatedColumns === undefined) return true;
  return change.updatedColumns.some((column) => watched.some((field) => overlaps(field, column)));
}

/** `address` watches `address.city`, and `address.city` is touched by a change of `address`. */
function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

function conditionsHold(conditions: Readonly<Record<string, unknown>> | undefined, change: Change): boolean {
  if (conditions === undefined) return true;
  return eitherState(change, (row) =>
    Object.entries(conditions).every(([path, wanted]) => conditionHolds(row, path, wanted)),
  );
}

/** True if `test` holds for the row before or after; a row that is unknown counts as holding. */
function eitherState(change: Change, test: (row: RowView) => boolean): boolean {
  const { before, after } = change;
  if (before === undefined || after === undefined) return true;
  return (before !== null && test(before)) || (after !== null && test(after));
}

function conditionHolds(row: RowView, path: string, wanted: unknown): boolean {
  const negated = path.startsWith('!');
  const reading = row.read(negated ? path.slice(1) : path);
  if (!reading.known) return true;
  const choices: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  // Where spellings differ, doubt must fire the rule: a positive condition compares coarsely, a negated one exactly.
  if (negated) return !choices.some((choice) => sameValue(choice, reading.value));
  const { value } = reading;
  const isWanted = (one: unknown): boolean => {
    const spelling = coarseValue(one);
    return choices.some((choice) => coarseValue(choice) === spelling);
  };
  return isWanted(value) || (Array.isArray(value) && value.some(isWanted));
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  return Object.is(a, b) || (a == null && b == null);
}

/** The partitions that a change drops by a rule's mapping: those of the row before and after. */
export function mappedPartitions(rule: RuleOptions, change: Change): RuleEffect {
  const { before, after } = change;
  if (before === undefined || after === undefined) return unknownPartition(rule, change);
  const partitions: Readonly<Record<string, unknown>>[] = [];
  for (const row of [before, after]) {
    if (row === null) continue;
    const values = mapRow(rule, row, change.dataSourceId);
    if (values === undefined) return unknownPartition(rule, change);
    if (!isSkipped(rule.requireArgs, values)) partitions.push(values);
  }
  return partitions.length === 0 ? 'none' : partitions;
}

/** The partition of unknown rows: that of their DataSource, where the rule maps it. */
function unknownPartition({ fieldMapping }: RuleOptions, { dataSourceId }: Change): RuleEffect {
  if (dataSourceId === undefined || typeof fieldMapping !== 'object') return 'all';
  const fields = Object.entries(fieldMapping).filter(([, path]) => path === DATA_SOURCE_PATH);
  return fields.length === 1 ? [{ [fields[0]![0]]: dataSourceId }] : 'all';
}

/** The partition values of one row; `undefined` when one cannot be known. */
function mapRow(
  rule: RuleOptions,
  row: RowView,
  dataSourceId: string | undefined,
): Readonly<Record<string, unknown>> | undefined {
  const mapping = rule.fieldMapping!;
  if (typeof mapping === 'function')
    return callMapping(mapping as (entity: object) => Record<string, unknown>, row);
  const values: Record<string, unknown> = {};
  for (const [field, path] of Object.entries(mapping)) {
    if (path === DATA_SOURCE_PATH) {
      if (dataSourceId === undefined) return undefined;
      values[field] = dataSourceId;
      continue;
    }
    const reading = row.read(path);
    if (!reading.known) return undefined;
    values[field] = reading.value;
  }
  return values;
}

const UNKNOWN = Symbol('unknown');

/** Calls a mapping function on a row; reading a property that is not known makes the whole row unknown. */
function callMapping(
  mapping: (entity: object) => Readonly<Record<string, unknown>>,
  row: RowView,
): Readonly<Record<string, unknown>> | undefined {
  try {
    const values = mapping(throwingOnUnknown(row.object, row, ''));
    return Object.values(values).includes(undefined) ? undefined : values;
  } catch {
    // The mapping read an unknown property, or failed: the partition is unknown.
    return undefined;
  }
}

/** Wraps a row, or an object in it, so that reading an unknown property throws. */
function throwingOnUnknown(object: object, row: RowView, prefix: string): object {
  return new Proxy(object, {
    get(target, property): unknown {
      if (typeof property === 'symbol') return Reflect.get(target, property);
      if (property in target) {
        const value: unknown = Reflect.get(target, property);
        return isRecord(value) ? throwingOnUnknown(value, row, `${prefix}${property}.`) : value;
      }
      const reading = row.read(prefix + property);
      if (!reading.known) throw UNKNOWN;
      return reading.value;
    },
  });
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isSkipped(
  requireArgs: RuleOptions['requireArgs'],
  values: Readonly<Record<string, unknown>>,
): boolean {
  if (requireArgs === undefined || requireArgs === false) return false;
  const required = requireArgs === true ? Object.keys(values) : requireArgs;
  return required.some((field) => Object.hasOwn(values, field) && values[field] == null);
}

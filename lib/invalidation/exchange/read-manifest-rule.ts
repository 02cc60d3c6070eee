import type { ManifestPartition, ManifestRule } from '../rules/manifest-rule.js';

/** Whether something that a store held is a rule: another build may have written it, or anything else. */
export function isManifestRule(value: unknown): value is ManifestRule {
  if (!isRecord(value)) return false;
  const { name, method, entity, tables, mode, eager, dispatcher, triggerOnCreate, life } = value;
  const { watchFields, invalidateWhen, dispatcherConfig, partition } = value;
  return (
    [name, entity, dispatcher].every(isText) &&
    isOptional(method, isText) &&
    isList(tables) &&
    (mode === 'purge' || mode === 'expire') &&
    [eager, triggerOnCreate].every((one) => typeof one === 'boolean') &&
    typeof life === 'number' &&
    isOptional(watchFields, isList) &&
    [invalidateWhen, dispatcherConfig].every((one) => isOptional(one, isRecord)) &&
    isOptional(partition, isPartition)
  );
}

function isPartition(value: unknown): value is ManifestPartition {
  if (!isRecord(value)) return false;
  const { shape, paths, requireArgs, lookup } = value;
  return (
    Array.isArray(shape) &&
    shape.length > 0 &&
    shape.every(isField) &&
    isRecord(paths) &&
    Object.values(paths).every(isText) &&
    shape.every(({ name }) => Object.hasOwn(paths, name as string)) &&
    (typeof requireArgs === 'boolean' || isList(requireArgs)) &&
    typeof lookup === 'boolean'
  );
}

function isField(value: unknown): value is ManifestPartition['shape'][number] {
  return (
    isRecord(value) &&
    isText(value['name']) &&
    [value['isSet'], value['sortLists'], value['isHashed']].every((one) => typeof one === 'boolean')
  );
}

function isOptional(value: unknown, test: (value: unknown) => boolean): boolean {
  return value === undefined || test(value);
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

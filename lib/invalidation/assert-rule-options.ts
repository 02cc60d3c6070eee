import { CacheConfigurationError } from '../cache/errors.js';
import { invalidatorProblem } from './injectable-invalidator.js';
import type { InvalidationRuleOptions, RuleOptions } from './invalidation-rule.js';

const OPTIONS = new Set<string>([
  'entity',
  'name',
  'fieldMapping',
  'scope',
  'requireArgs',
  'watchFields',
  'invalidateWhen',
  'triggerOnCreate',
  'invalidator',
  'mode',
  'eager',
  'lookup',
  'rewarm',
  'dispatcher',
  'dispatcherConfig',
  'raiseException',
  'batch',
] satisfies (keyof InvalidationRuleOptions)[]);

/** @throws CacheConfigurationError for options that are unknown, or contradict each other */
export function assertRuleOptions(options: RuleOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidRule(
      `${String(options)} is no rule. Write invalidates(Entity, { fieldMapping: { … } }) or the entity class.`,
    );
  }
  const { entity, fieldMapping, scope, invalidator, mode, batch, rewarm } = options;
  if (typeof entity !== 'function' && typeof entity !== 'string') {
    throw invalidRule(
      `entity is ${String(entity)}. Write the entity class, () => Class, or its name. An undefined class is ` +
        `usually a circular import: () => Class resolves it later.`,
    );
  }
  const unknown = Object.keys(options).filter((name) => !OPTIONS.has(name));
  if (unknown.length > 0)
    throw invalidRule(`unknown option ${unknown.join(', ')}. Known are: ${[...OPTIONS].join(', ')}.`);
  const targets = Object.entries({ fieldMapping, scope, invalidator }).filter(
    ([, value]) => value !== undefined,
  );
  if (targets.length > 1) {
    throw invalidRule(
      `${targets.map(([name]) => name).join(' and ')} exclude each other: each says what to drop. Keep one.`,
    );
  }
  if (scope !== undefined && scope !== 'all')
    throw invalidRule(`scope is ${String(scope)}. The only scope is 'all'.`);
  if (mode !== undefined && mode !== 'purge' && mode !== 'expire') {
    throw invalidRule(`mode is ${String(mode)}. Write 'purge' (the default) or 'expire'.`);
  }
  const problem = invalidator === undefined ? undefined : invalidatorProblem(invalidator);
  if (problem !== undefined) throw invalidRule(problem);
  for (const [name, value] of Object.entries({ batch, rewarm }))
    if (value !== undefined && typeof value !== 'boolean')
      throw invalidRule(`${name} is ${String(value)}. Write true or false.`);
  if (options.lookup === true && typeof fieldMapping !== 'object') {
    throw invalidRule(
      `lookup: true reads the paths of a fieldMapping, and there is none. Write fieldMapping: { field: 'path' }, or leave lookup out.`,
    );
  }
  if (
    fieldMapping !== undefined &&
    typeof fieldMapping !== 'function' &&
    Object.keys(fieldMapping).length === 0
  ) {
    throw invalidRule(
      `fieldMapping is empty. Map a partition field to a path of the entity, or write scope: 'all'.`,
    );
  }
}

export function invalidRule(message: string): CacheConfigurationError {
  return new CacheConfigurationError('INVALIDATION_RULE', message);
}

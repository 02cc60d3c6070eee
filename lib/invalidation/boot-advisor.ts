import type { MethodDefinition } from '../cache/definition.js';
import { nearestNames } from '../common/messages.js';
import { coarseValue, KeyConstructor, ResponseCacheKeyConstructor } from '../keys/index.js';
import { parameterProblem } from './rewarm/rewarm-result.js';
import type { BoundRule } from './rules/bound-rule.js';
import { DATA_SOURCE_PATH } from './rules/rule-options.js';
import type { EntityCatalogue, EntityShape } from './rules/entity-catalogue.interface.js';

/** Returns why a class has no instance that can be called outside of a request; `undefined` if it has one. */
export type InstanceProblem = (owner: Function) => string | undefined;

/** Returns why a rule with `rewarm: true` can never rewarm an entry; `undefined` if it can. */
export function rewarmProblem(rule: BoundRule, instanceProblem: InstanceProblem): string | undefined {
  const { definition, key, owner } = rule.target;
  if (!rule.rewarms) return undefined;
  if (definition.kind === 'response') {
    return definition.rewarmRequest === undefined
      ? `its handler has no rewarmRequest. Write rewarmRequest: (change) => ({ url: '/…' }) beside invalidatesOn`
      : undefined;
  }
  const problem = instanceProblem(owner) ?? key.arguments.problem ?? parameterProblem(rule.target);
  if (problem !== undefined) return problem;
  if (rule.options.scope === 'all') {
    return key.arguments.isEmpty
      ? undefined
      : `with scope: 'all' the arguments are unknown. Map its partitions with fieldMapping`;
  }
  if (typeof rule.options.fieldMapping !== 'object') return undefined;
  const missing = key.arguments.missingIn(new Set(rule.mappedFields.values()));
  return missing && `its fieldMapping lacks the partition '${missing}'. Map it too`;
}

/**
 * Finds mistakes in valid rules: paths that the entity does not have, conditions that no row meets, partitions that no rule
 * drops. Each line names the problem, the rule, and the correction.
 */
export function adviseOn(
  rules: readonly BoundRule[],
  entities: EntityCatalogue,
  instanceProblem: InstanceProblem,
): string[] {
  return [
    ...rules.flatMap((rule) => adviseOnRule(rule, entities.shapeOf(rule.options.entity))),
    ...rules.flatMap((rule) => adviseOnRewarm(rule, instanceProblem)),
    ...unmappedPartitions(rules),
  ];
}

function adviseOnRewarm(rule: BoundRule, instanceProblem: InstanceProblem): readonly string[] {
  const problem = rewarmProblem(rule, instanceProblem);
  if (problem === undefined) return [];
  return [
    `The rule of ${rule.target.name} on ${rule.entityName} has rewarm: true, but the entries it drops stay dropped: ${problem}.`,
  ];
}

function adviseOnRule(rule: BoundRule, shape: EntityShape | undefined): string[] {
  const { options } = rule;
  const say = (what: string): string => `The rule of ${rule.target.name} on ${rule.entityName} ${what}`;
  const advice = [...impossibleConditions(rule, shape), ...missingArguments(rule)];
  if (shape?.isView === true && !shape.isMaterialized) {
    advice.push(
      'can never fire: the entity is a view, which has no writes. Write a rule on each entity whose table it reads.',
    );
  } else if (shape?.isView === true && options.fieldMapping !== undefined) {
    advice.push(
      'drops all entries of the method at each REFRESH of its materialized view, which does not tell which rows changed. ' +
        "Write scope: 'all' if that is intended.",
    );
  } else if (shape !== undefined) advice.push(...mappedPaths(rule, shape), ...watchedFields(rule, shape));
  return advice.map(say);
}

function mappedPaths({ options, entityName }: BoundRule, shape: EntityShape): string[] {
  const { fieldMapping } = options;
  if (typeof fieldMapping !== 'object') return [];
  return Object.entries(fieldMapping).flatMap(([field, path]) => {
    if (path === DATA_SOURCE_PATH) return [];
    const kind = shape.property(path)?.kind;
    const mapping = `maps '${field}' from '${path}'`;
    if (kind === undefined) {
      return `${mapping}, which ${entityName} does not have: every change drops all entries of the method. ${suggestPath(path, shape)}`;
    }
    if (kind !== 'many') return [];
    return (
      `${mapping}, which crosses a list of related rows: its value is never known, so every change drops all entries of the ` +
      `method. Write scope: 'all' if that is intended, an invalidator, or a rule on the related entity.`
    );
  });
}

function watchedFields({ options, entityName }: BoundRule, shape: EntityShape): string[] {
  const watchFields = options.watchFields as readonly string[] | undefined;
  if (watchFields === undefined) return [];
  if (watchFields.length === 0)
    return [
      'has an empty watchFields: no update fires it. Name the columns it depends on, or remove watchFields to watch all.',
    ];
  return watchFields.flatMap((path) => {
    const property = shape.property(path);
    if (property === undefined) {
      return `watches '${path}', which ${entityName} does not have: no update fires it. ${suggestPath(path, shape)}`;
    }
    if (property.kind !== 'related' && property.kind !== 'many') return [];
    const relation = path.slice(0, path.lastIndexOf('.'));
    return (
      `watches '${path}', a column of another entity: an update of ${entityName} can only change which row '${relation}' ` +
      `refers to. Watch '${relation}', and write a rule on ${property.entityName} for its own columns.`
    );
  });
}

function impossibleConditions({ options }: BoundRule, shape: EntityShape | undefined): string[] {
  const { invalidateWhen = {} } = options;
  return Object.entries(invalidateWhen).flatMap(([condition, wanted]) => {
    const isNegated = condition.startsWith('!');
    const path = isNegated ? condition.slice(1) : condition;
    const property = shape?.property(path);
    if (shape !== undefined && property === undefined) {
      return `tests '${path}' in invalidateWhen, which the entity does not have: every change counts as a match. ${suggestPath(path, shape)}`;
    }
    if (isNegated) return [];
    const choices = (Array.isArray(wanted) ? wanted : [wanted]) as readonly unknown[];
    const excluded = invalidateWhen[`!${path}`];
    const impossible =
      choices.length === 0
        ? 'one of an empty list'
        : `!${path}` in invalidateWhen && areAllIn(choices, Array.isArray(excluded) ? excluded : [excluded])
          ? `a value that its '!${path}' excludes`
          : isImpossible(choices, property)
            ? `a value that the column cannot have (${choices.map(String).join(', ')})`
            : undefined;
    if (impossible === undefined) return [];
    const can = property?.choices;
    const instead =
      can === undefined ? 'Correct the condition, or remove it.' : `It may be ${can.join(', ')}.`;
    return `can never fire: invalidateWhen requires '${path}' to be ${impossible}. ${instead}`;
  });
}

function isImpossible(
  choices: readonly unknown[],
  property: ReturnType<EntityShape['property']> | undefined,
): boolean {
  if (property?.kind !== 'column') return false;
  return choices.every((choice) => {
    if (choice === null || choice === undefined) return !property.isNullable;
    return property.choices !== undefined && !areAllIn([choice], property.choices);
  });
}

/** Compares coarsely, as the conditions of rules do. */
function areAllIn(values: readonly unknown[], list: readonly unknown[]): boolean {
  const known = new Set(list.map((value) => coarseValue(value)));
  return values.every((value) => known.has(coarseValue(value)));
}

/** Fields of `requireArgs` that the mapping lacks: they have no effect, because an unmapped field is never null. */
function missingArguments({ options: { requireArgs, fieldMapping } }: BoundRule): string[] {
  if (!Array.isArray(requireArgs) || typeof fieldMapping !== 'object') return [];
  const mapped = Object.keys(fieldMapping);
  return (requireArgs as readonly string[])
    .filter((field) => !mapped.includes(field))
    .map(
      (field) =>
        `names '${field}' in requireArgs, which its fieldMapping lacks: no change is skipped for it. ` +
        `Write one of ${mapped.map((name) => `'${name}'`).join(', ')}, or requireArgs: true.`,
    );
}

/** Partition fields of declared keys that no rule of their method drops by. */
function unmappedPartitions(rules: readonly BoundRule[]): string[] {
  return [...new Set(rules.map(({ target }) => target))].flatMap((target) => {
    if (!declaresPartitions(target.definition)) return [];
    const own = rules.filter((rule) => rule.target === target);
    const drops = own.map((rule) =>
      typeof rule.options.fieldMapping === 'function' ? 'all' : rule.report().drops,
    );
    if (drops.some((one) => typeof one === 'string')) return [];
    const reached = new Set(drops.flat());
    return target.key.partitionFields
      .filter((field) => !reached.has(field))
      .map(
        (field) =>
          `No rule of ${target.name} drops by its partition '${field}', though every entry carries a tag for it. Write ` +
          `fieldMapping: { ${field}: 'path.on.the.entity' } in a rule, or remove { partition: true } if your code does not drop by it either.`,
      );
  });
}

/** False for the default keys of handlers, whose route parameters are partitions without a declaration. */
function declaresPartitions({ kind, keyConstructor }: MethodDefinition): boolean {
  if (kind === 'result') return true;
  if (typeof keyConstructor !== 'function') return !(keyConstructor instanceof KeyConstructor);
  return (
    keyConstructor !== ResponseCacheKeyConstructor &&
    !(keyConstructor.prototype instanceof ResponseCacheKeyConstructor)
  );
}

function suggestPath(path: string, { paths }: EntityShape): string {
  const near = nearestNames(path, paths);
  return near.length > 0
    ? `Did you mean ${near.map((name) => `'${name}'`).join(' or ')}?`
    : `It has ${paths.join(', ')}.`;
}

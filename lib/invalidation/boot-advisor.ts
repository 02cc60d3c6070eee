import type { MethodDefinition } from '../cache/definition.js';
import { nearestNames } from '../common/messages.js';
import { coarseValue, KeyConstructor, ResponseCacheKeyConstructor } from '../keys/index.js';
import { misfitOf } from './rewarm/rewarm-result.js';
import type { BoundRule } from './rules/bound-rule.js';
import type { EntityCatalogue, EntityShape } from './rules/entity-catalogue.interface.js';

/** Why a class has no instance to call outside of requests; `undefined` where it has one. */
export type InstanceProblem = (owner: Function) => string | undefined;

/** Why nothing that a rule with `rewarm: true` drops can ever be computed anew; `undefined` where something can. */
export function rewarmProblem(rule: BoundRule, instanceProblem: InstanceProblem): string | undefined {
  const { definition, key, owner } = rule.target;
  if (!rule.rewarms) return undefined;
  if (definition.kind === 'response') {
    return definition.rewarmRequest === undefined
      ? `nothing says what to ask the handler for. Write rewarmRequest: (change) => ({ url: '/…' }) beside invalidatesOn`
      : undefined;
  }
  const problem = instanceProblem(owner) ?? key.arguments.problem ?? misfitOf(rule.target);
  if (problem !== undefined) return problem;
  if (rule.options.scope === 'all') {
    return key.arguments.isEmpty
      ? undefined
      : `scope: 'all' says not for which arguments. Map its partitions with fieldMapping`;
  }
  if (typeof rule.options.fieldMapping !== 'object') return undefined;
  const missing = key.arguments.missingIn(new Set(rule.mappedFields.values()));
  return missing && `its fieldMapping has not the partition '${missing}'. Map that too`;
}

/**
 * What is odd about rules that are valid: paths that the entity has not, conditions that nothing meets, partitions that no
 * rule reaches. Each line says what, where, and what to write instead.
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
    `The rule of ${rule.target.name} on ${rule.entityName} has rewarm: true, but what it drops stays dropped: ${problem}.`,
  ];
}

function adviseOnRule(rule: BoundRule, shape: EntityShape | undefined): string[] {
  const say = (what: string): string => `The rule of ${rule.target.name} on ${rule.entityName} ${what}`;
  const advice = [...impossibleConditions(rule, shape), ...missingArguments(rule)];
  if (shape?.isView === true) {
    advice.push(
      'can never fire: it is a view, to which nothing is written. Write a rule on each entity whose table it reads.',
    );
  } else if (shape !== undefined) advice.push(...mappedPaths(rule, shape), ...watchedFields(rule, shape));
  return advice.map(say);
}

function mappedPaths({ options, entityName }: BoundRule, shape: EntityShape): string[] {
  const { fieldMapping } = options;
  if (typeof fieldMapping !== 'object') return [];
  return Object.entries(fieldMapping).flatMap(([field, path]) => {
    const kind = shape.property(path)?.kind;
    const mapping = `maps '${field}' from '${path}'`;
    if (kind === undefined) {
      return `${mapping}, which ${entityName} has not: every change drops everything the method cached. ${suggestPath(path, shape)}`;
    }
    if (kind !== 'many') return [];
    return (
      `${mapping}, which crosses a list of related rows: its value is never known, so every change drops everything the ` +
      `method cached. Write scope: 'all' to mean that, an invalidator, or a rule on the related entity.`
    );
  });
}

function watchedFields({ options, entityName }: BoundRule, shape: EntityShape): string[] {
  const watchFields = options.watchFields as readonly string[] | undefined;
  if (watchFields === undefined) return [];
  if (watchFields.length === 0)
    return [
      'has an empty watchFields: no update fires it. Name the columns it depends on, or leave it out for all.',
    ];
  return watchFields.flatMap((path) => {
    const property = shape.property(path);
    if (property === undefined) {
      return `watches '${path}', which ${entityName} has not: no update ever names it. ${suggestPath(path, shape)}`;
    }
    if (property.kind !== 'related' && property.kind !== 'many') return [];
    const relation = path.slice(0, path.lastIndexOf('.'));
    return (
      `watches '${path}', a column of another entity: no update of ${entityName} names it, but one that changes which row ` +
      `'${relation}' is. Watch '${relation}', and write a rule on ${property.entityName} for its own columns.`
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
      return `asks for '${path}' in invalidateWhen, which the entity has not: every change counts as a match. ${suggestPath(path, shape)}`;
    }
    if (isNegated) return [];
    const choices = (Array.isArray(wanted) ? wanted : [wanted]) as readonly unknown[];
    const excluded = invalidateWhen[`!${path}`];
    const impossible =
      choices.length === 0
        ? 'an empty list, which nothing is in'
        : `!${path}` in invalidateWhen && areAllIn(choices, Array.isArray(excluded) ? excluded : [excluded])
          ? `what its '!${path}' excludes`
          : isImpossible(choices, property)
            ? `a value that the column never has (${choices.map(String).join(', ')})`
            : undefined;
    if (impossible === undefined) return [];
    const can = property?.choices;
    const instead =
      can === undefined ? 'Correct the condition, or leave it out.' : `It may be ${can.join(', ')}.`;
    return `can never fire: invalidateWhen asks '${path}' for ${impossible}. ${instead}`;
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

/** Compared as conditions are: coarsely. */
function areAllIn(values: readonly unknown[], list: readonly unknown[]): boolean {
  const known = new Set(list.map((value) => coarseValue(value)));
  return values.every((value) => known.has(coarseValue(value)));
}

/** A required field that the mapping has not is never null. */
function missingArguments({ options: { requireArgs, fieldMapping } }: BoundRule): string[] {
  if (!Array.isArray(requireArgs) || typeof fieldMapping !== 'object') return [];
  const mapped = Object.keys(fieldMapping);
  return (requireArgs as readonly string[])
    .filter((field) => !mapped.includes(field))
    .map(
      (field) =>
        `names '${field}' in requireArgs, which its fieldMapping has not: no change is skipped for it. ` +
        `Write one of ${mapped.map((name) => `'${name}'`).join(', ')}, or requireArgs: true.`,
    );
}

/** Fields of declared keys that are partitions, of methods whose rules drop by other ones. */
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
          `No rule of ${target.name} drops by its partition '${field}', though every entry carries a tag for it. Map it: ` +
          `fieldMapping: { ${field}: 'path.on.the.entity' }; or, if you do not drop by it by hand, take { partition: true } off.`,
      );
  });
}

/** Route parameters are partitions whether anybody asked for it or not. */
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

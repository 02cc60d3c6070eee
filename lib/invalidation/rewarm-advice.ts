import type { BoundRule } from './rules/bound-rule.js';
import { misfitOf } from './rewarm/rewarm-result.js';

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

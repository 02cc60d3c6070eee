import type { ManifestRule } from '../../../lib/invalidation/rules/manifest-rule.js';

/** A rule as processes tell it, of seven entities. */
export function manifestRule(n: number): ManifestRule {
  return {
    name: `rule ${n}`,
    method: `Service${n}.find`,
    entity: `Entity${n % 7}`,
    tables: [`entity_${n % 7}`],
    mode: 'purge',
    eager: true,
    dispatcher: 'inline',
    triggerOnCreate: true,
    life: 3_600_000,
  };
}

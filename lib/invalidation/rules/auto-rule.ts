import type { RuleReport } from '../../cache/cache-report.js';
import type { KeySpace } from '../../cache/key-space.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { Change } from '../change.interface.js';
import type { ActiveRule } from './bound-rule.js';
import type { ManifestRule } from './manifest-rule.js';
import type { RuleOptions } from './rule-options.js';

/** The name of the rule in jobs, in `cache.status()` and in the manifest. */
export const AUTO = 'auto';

/** Entries of loads that decide their lifetime may live for so long. Milliseconds. */
const MAX_LIFE_MS = 365 * 86_400_000;

/** The rule of all entries that depend on the tables which their loads read: a change of any table drops the entries that read it. */
export class AutoRule implements ActiveRule {
  readonly id = AUTO;
  readonly options: RuleOptions = { entity: AUTO, scope: 'all' };
  readonly mode: InvalidationMode = 'purge';
  readonly entityName = 'any table';
  readonly lookups = [];
  readonly target: ActiveRule['target'];
  #dispatcher: string | undefined;

  constructor(
    private readonly space: KeySpace,
    private readonly dispatcherOf: () => string,
  ) {
    this.target = { name: `invalidatesOn: '${AUTO}'`, methodTag: space.autoTag };
  }

  /** Asked when the first change comes: the dispatchers are not known before. */
  get dispatcher(): string {
    return (this.#dispatcher ??= this.dispatcherOf());
  }

  tagsOf({ table }: Change): readonly string[] {
    return [this.space.anyTableTag, this.space.tableTag(table.slice(table.lastIndexOf('.') + 1))];
  }

  partitionTag(): string {
    return this.target.methodTag;
  }

  anySpellingTag(): string {
    return this.target.methodTag;
  }

  report(): RuleReport {
    const { id, entityName: entity, mode, dispatcher } = this;
    return { id, entity, mode, dispatcher, drops: AUTO };
  }

  /** The rule for other processes: they bump the tags of every table that they write. */
  describe(): ManifestRule {
    return {
      name: AUTO,
      entity: AUTO,
      isAuto: true,
      tables: [],
      mode: this.mode,
      eager: true,
      dispatcher: this.dispatcher,
      triggerOnCreate: true,
      life: MAX_LIFE_MS,
    };
  }
}

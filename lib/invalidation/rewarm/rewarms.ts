import { assertSynchronous } from '../../common/async.js';
import { messageOf } from '../../common/messages.js';
import type { OnceLog } from '../../observability/once-log.js';
import { type ActiveRule, BoundRule } from '../rules/bound-rule.js';
import type { EntityChange } from '../invalidator.js';
import { assertRequest, isRewarmValue, type Rewarm, type RewarmValue } from './rewarm.js';
import type { RewarmSigner } from './rewarm-signer.js';
import { kindOfReason } from './rewarmer.js';

/** Entries that are computed again for one rule and transaction; the others stay dropped. */
const MAX_REWARMS = 100;

/** Collects the entries to compute again after one commit, for rules with `rewarm: true`. */
export class Rewarms {
  readonly #wanted = new Map<ActiveRule, Map<string, Rewarm>>();

  /** @param refusal the reason why no entry is computed for this commit */
  constructor(
    private readonly log: OnceLog,
    private readonly signer: RewarmSigner | undefined,
    private readonly refusal?: string,
  ) {}

  of(rule: ActiveRule): readonly Rewarm[] {
    return [...(this.#wanted.get(rule)?.values() ?? [])];
  }

  has(rule: ActiveRule): boolean {
    return this.#wanted.has(rule);
  }

  /** Tells whether a rule takes further requests: for changes after one that dropped all entries of the method. */
  wantsMore(rule: ActiveRule): boolean {
    return isWanted(rule, 'response') && (this.#wanted.get(rule)?.size ?? 0) < MAX_REWARMS;
  }

  /** Adds the call of a dropped partition. */
  addPartition(rule: ActiveRule, values: Readonly<Record<string, unknown>>): void {
    if (!this.#isWanted(rule, 'result')) return;
    const named: Record<string, RewarmValue> = {};
    for (const [name, value] of Object.entries(rule.byField(values))) {
      if (!isRewarmValue(value)) {
        const what = value === null ? 'null' : typeof value;
        return this.#warn(rule, `the value of '${name}' is ${what}, not a string, number or boolean`);
      }
      named[name] = value;
    }
    const problem = rule.target.key.arguments.problem;
    const missing = rule.target.key.arguments.missingIn(new Set(Object.keys(named)));
    if (problem !== undefined) this.#warn(rule, problem);
    else if (missing !== undefined)
      this.#warn(rule, `the change does not contain the value of its partition '${missing}'`);
    else this.#add(rule, { method: rule.target.name, values: named });
  }

  /** Adds the call of a method without arguments, all of whose entries were dropped. With arguments, the dropped calls are unknown. */
  addAll(rule: ActiveRule): void {
    if (!this.#isWanted(rule, 'result')) return;
    this.#wanted.delete(rule);
    if (rule.target.key.arguments.isEmpty) this.#add(rule, { method: rule.target.name, values: {} });
    else this.#warn(rule, 'all entries of the method were dropped, and their arguments are unknown');
  }

  /** Adds the requests that `rewarmRequest` of a handler returns for a change. */
  addRequests(rule: ActiveRule, change: EntityChange): void {
    if (!this.#isWanted(rule, 'response')) return;
    const { rewarmRequest, where } = rule.target.definition;
    if (rewarmRequest === undefined) return this.#warn(rule, 'the handler has no rewarmRequest');
    try {
      const answer: unknown = assertSynchronous(rewarmRequest(change as never));
      for (const request of [answer ?? []].flat())
        this.#add(rule, { method: rule.target.name, request: assertRequest(request) });
    } catch (error) {
      this.#warn(rule, `rewarmRequest of ${where} failed: ${messageOf(error)}`);
    }
  }

  #isWanted(rule: ActiveRule, kind: Kind): rule is BoundRule {
    if (!isWanted(rule, kind)) return false;
    if (this.refusal === undefined) return true;
    this.#warn(rule, this.refusal);
    return false;
  }

  #add(rule: ActiveRule, rewarm: Rewarm): void {
    const wanted = this.#wanted.get(rule) ?? new Map<string, Rewarm>();
    this.#wanted.set(rule, wanted);
    const key = JSON.stringify(rewarm);
    if (wanted.has(key)) return;
    if (wanted.size < MAX_REWARMS) wanted.set(key, this.signer?.sign(rewarm) ?? rewarm);
    else
      this.#warn(
        rule,
        `a transaction changed more than ${MAX_REWARMS} partitions, and only the first were recomputed`,
      );
  }

  #warn({ id, target }: ActiveRule, reason: string): void {
    this.log.warn(
      `rewarm ${id} ${kindOfReason(reason)}`,
      `${target.name} was not recomputed after a change; it stays dropped (rule ${id}): ${reason}.`,
    );
  }
}

type Kind = 'result' | 'response';

/** Rules of other processes are left out: this process does not have their methods. */
function isWanted(rule: ActiveRule, kind: Kind): rule is BoundRule {
  return rule.options.rewarm === true && rule instanceof BoundRule && rule.target.definition.kind === kind;
}

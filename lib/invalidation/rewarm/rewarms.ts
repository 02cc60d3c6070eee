import { assertSynchronous } from '../../common/async.js';
import { messageOf } from '../../common/messages.js';
import type { OnceLog } from '../../observability/once-log.js';
import { type ActiveRule, BoundRule } from '../rules/bound-rule.js';
import type { EntityChange } from '../invalidator.js';
import { assertRequest, isRewarmValue, type Rewarm, type RewarmValue } from './rewarm.js';
import type { RewarmSigner } from './rewarm-signer.js';
import { kindOfReason } from './rewarmer.js';

/** A rule has no more computed anew for one transaction; the rest stays dropped. */
const MAX_REWARMS = 100;

/** What the rules with `rewarm: true` want computed anew after one commit. */
export class Rewarms {
  readonly #wanted = new Map<ActiveRule, Map<string, Rewarm>>();

  /** @param refusal why nothing is computed anew for this commit */
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

  /** Whether a rule takes more of them: for changes after those that have dropped everything already. */
  wantsMore(rule: ActiveRule): boolean {
    return isWanted(rule, 'response') && (this.#wanted.get(rule)?.size ?? 0) < MAX_REWARMS;
  }

  /** A partition was dropped: the call that it stands for. */
  addPartition(rule: ActiveRule, values: Readonly<Record<string, unknown>>): void {
    if (!this.#isWanted(rule, 'result')) return;
    const named: Record<string, RewarmValue> = {};
    for (const [name, value] of Object.entries(rule.byField(values))) {
      if (!isRewarmValue(value)) {
        const what = value === null ? 'null' : typeof value;
        return this.#say(rule, `the value of '${name}' is ${what}, no text, number or boolean`);
      }
      named[name] = value;
    }
    const problem = rule.target.key.arguments.problem;
    const missing = rule.target.key.arguments.missingIn(new Set(Object.keys(named)));
    if (problem !== undefined) this.#say(rule, problem);
    else if (missing !== undefined) this.#say(rule, `the change does not say its partition '${missing}'`);
    else this.#add(rule, { method: rule.target.name, values: named });
  }

  /** Everything of a method was dropped: which calls those were, nobody knows; but where there is only one. */
  addAll(rule: ActiveRule): void {
    if (!this.#isWanted(rule, 'result')) return;
    this.#wanted.delete(rule);
    if (rule.target.key.arguments.isEmpty) this.#add(rule, { method: rule.target.name, values: {} });
    else
      this.#say(rule, 'everything that the method cached was dropped, and nothing says for which arguments');
  }

  /** Something of a handler was dropped: the requests that it names for the change. */
  addRequests(rule: ActiveRule, change: EntityChange): void {
    if (!this.#isWanted(rule, 'response')) return;
    const { rewarmRequest, where } = rule.target.definition;
    if (rewarmRequest === undefined) return this.#say(rule, 'the handler has no rewarmRequest');
    try {
      const answer: unknown = assertSynchronous(rewarmRequest(change as never));
      for (const request of [answer ?? []].flat())
        this.#add(rule, { method: rule.target.name, request: assertRequest(request) });
    } catch (error) {
      this.#say(rule, `rewarmRequest of ${where} failed: ${messageOf(error)}`);
    }
  }

  #isWanted(rule: ActiveRule, kind: Kind): rule is BoundRule {
    if (!isWanted(rule, kind)) return false;
    if (this.refusal === undefined) return true;
    this.#say(rule, this.refusal);
    return false;
  }

  #add(rule: ActiveRule, rewarm: Rewarm): void {
    const wanted = this.#wanted.get(rule) ?? new Map<string, Rewarm>();
    this.#wanted.set(rule, wanted);
    const key = JSON.stringify(rewarm);
    if (wanted.has(key)) return;
    if (wanted.size < MAX_REWARMS) wanted.set(key, this.signer?.sign(rewarm) ?? rewarm);
    else
      this.#say(
        rule,
        `a transaction changed more than ${MAX_REWARMS} partitions, of which the first were recomputed`,
      );
  }

  #say({ id, target }: ActiveRule, reason: string): void {
    this.log.warn(
      `rewarm ${id} ${kindOfReason(reason)}`,
      `${target.name} was not recomputed after a change, it stays dropped (rule ${id}): ${reason}.`,
    );
  }
}

type Kind = 'result' | 'response';

/** What is cached in other processes alone is not computed for them. */
function isWanted(rule: ActiveRule, kind: Kind): rule is BoundRule {
  return rule.options.rewarm === true && rule instanceof BoundRule && rule.target.definition.kind === kind;
}

import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { DispatcherRegistry } from '../jobs/dispatcher-registry.js';
import { RemoteRule } from '../rules/remote-rule.js';
import { keyOf, describeRule, type ManifestRule } from '../rules/manifest-rule.js';
import { StoreUnavailableError } from '../../stores/store.interface.js';
import type { RuleRegistry } from '../rules/rule-registry.js';
import { SharedManifest, type Learned } from './shared-manifest.js';
import { INLINE } from '../rules/rule-options.js';

/** How soon a process hears of rules that another one begins to have. Milliseconds. */
const POLL_MS = 1_000;
/** A transaction that was open when a rule came may have changed its entity unseen; it is over by then. Milliseconds. */
const SECOND_BUMP_MS = 60_000;

/** How often the rules of this process are described anew: a data source may know tables that it did not. Milliseconds. */
const REDESCRIBE_MS = 60_000;

const NO_RULES: readonly ManifestRule[] = [];

/** What the exchange asks of the data sources. */
export interface EntityTables {
  /** How many data sources there are. */
  readonly count: number;
  /** What they call the table of an entity of this process. */
  tablesOf(entity: unknown): readonly string[];
  /** Their tables that a rule of another process may mean. */
  tablesOfRemote(rule: RemoteRule): readonly string[];
}

/**
 * Tells the other processes of the namespace the rules of this one, and this one theirs: a worker that saves a User
 * invalidates what the API cached, without the API's classes. In every store that processes share there is a manifest.
 *
 * What a process committed before it heard of a rule is made good when it does: the method of the rule is dropped, and once
 * more for transactions that were open then.
 */
export class RuleExchange {
  readonly #manifests: readonly SharedManifest[];
  /** One for each rule, however often it is read. */
  readonly #remote = new Map<string, RemoteRule>();
  /** Tables written while the rules of others were not known; nothing when they are. */
  #tablesToMatch: Set<string> | undefined;
  #own = new Map<SharedManifest, readonly ManifestRule[]>();
  #publishedRevision = -1;
  #publishedAt = 0;
  #cancel: (() => void) | undefined;
  /** What is still to be dropped once more, by the timer that will. */
  readonly #secondBumps = new Map<() => void, readonly string[]>();
  /** What stood in the manifest and was no rule may have been any. */
  #hasDroppedForGarbage = false;
  #state: 'new' | 'running' | 'closed' = 'new';

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly dispatchers: DispatcherRegistry,
    private readonly entities: EntityTables,
    /** Whether others are told the rules of this process, and not only it theirs. */
    private readonly publishes = true,
  ) {
    const stores = new Set(runtime.settings.stores.values());
    this.#manifests = [...stores]
      .filter((store) => !store.keepsReferences)
      .map((store) => new SharedManifest(runtime, store));
    if (this.#manifests.length > 0) registry.tablesToMatch = this.#tablesToMatch = new Set();
  }

  /**
   * Begins, where there are rules to tell or data sources to hear for; again is harmless. Never rejects: a store that does
   * not answer is asked again.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new' || this.#manifests.length === 0) return;
    if (this.entities.count === 0 && this.registry.all().length === 0) return;
    this.#state = 'running';
    await this.#poll();
    if (this.publishes) for (const line of this.#hints()) this.runtime.log.info(line);
  }

  /** What was committed while rules of others were not known is made good: where they could not be read, it may be anybody's. */
  async close(): Promise<void> {
    const wasRunning = this.#state === 'running';
    this.#state = 'closed';
    this.#cancel?.();
    for (const cancel of this.#secondBumps.keys()) cancel();
    // No transaction is open any more.
    const left = new Set([...this.#secondBumps.values()].flat());
    this.#secondBumps.clear();
    if (wasRunning && this.#tablesToMatch !== undefined && this.#tablesToMatch.size > 0)
      left.add(this.runtime.space.allTag);
    if (left.size > 0) await this.#bump([...left]);
  }

  async #poll(): Promise<void> {
    await this.#sync();
    if (this.#state !== 'running') return;
    this.#cancel = this.runtime.settings.clock.after(POLL_MS, () => void this.#poll());
  }

  async #sync(): Promise<void> {
    this.#describeOwn();
    await Promise.all(
      this.#manifests.map(async (manifest) => {
        try {
          const own = this.publishes ? this.#own.get(manifest)! : NO_RULES;
          await manifest.sync(own, (learned) => this.#learn(learned));
        } catch (error) {
          // The next beat asks again. A store that is away has said so.
          if (!(error instanceof StoreUnavailableError))
            this.runtime.log.error('manifest', 'The rules of other processes could not be read', error);
        }
      }),
    );
    await this.#matchWrittenTables();
  }

  /** Described anew where rules came, or a data source learned its tables. */
  #describeOwn(): void {
    const now = this.runtime.settings.clock.now();
    if (this.#publishedRevision === this.registry.revision && now - this.#publishedAt < REDESCRIBE_MS) return;
    this.#publishedRevision = this.registry.revision;
    this.#publishedAt = now;
    const rules = this.registry.all();
    for (const manifest of this.#manifests) {
      const own = rules.filter(({ target }) => target.store === manifest.store);
      this.#own.set(
        manifest,
        own.map((rule) => describeRule(rule, this.entities.tablesOf(rule.entity)).rule),
      );
    }
  }

  async #learn({ rules, isFirst, garbage, isBounded }: Learned): Promise<void> {
    const { log, space } = this.runtime;
    if (isBounded) log.warn('manifest bound', `There are too many rules to tell processes: ${COARSE}`);
    this.#updateRemoteRules();
    const missed = isFirst
      ? []
      : rules.flatMap((rule) => this.#remote.get(keyOf(rule))?.target.methodTag ?? []);
    if (garbage.length > 0 && !this.#hasDroppedForGarbage) {
      this.#hasDroppedForGarbage = true;
      log.warn(
        'manifest garbage',
        `The rules of other processes could not all be read, and those were ignored: ${garbage[0]}. What is cached is dropped once.`,
      );
      missed.push(space.allTag);
    }
    // Which of them are new cannot be told any more.
    if (isBounded) missed.push(space.allTag);
    if (missed.length === 0) return;
    const tags = [...new Set(missed)];
    await this.#bump(tags);
    if (this.#state === 'closed') return;
    const cancel = this.runtime.settings.clock.after(SECOND_BUMP_MS, () => {
      this.#secondBumps.delete(cancel);
      void this.#bump(tags);
    });
    this.#secondBumps.set(cancel, tags);
  }

  /** The rules of others that this process has not itself. */
  #updateRemoteRules(): void {
    const own = new Set([...this.#own.values()].flat().map(keyOf));
    const found = new Map(this.#manifests.flatMap(({ known }) => [...known.entries()]));
    let isChanged = false;
    for (const key of this.#remote.keys()) {
      if (found.has(key) && !own.has(key)) continue;
      isChanged = this.#remote.delete(key);
    }
    for (const [key, { rule }] of found) {
      if (own.has(key) || this.#remote.has(key)) continue;
      this.#remote.set(key, new RemoteRule(rule, this.runtime.space, this.#dispatcherOf(rule)));
      isChanged = true;
    }
    if (isChanged) this.registry.setRemote([...this.#remote.values()]);
  }

  /** One of this process, if it can work with what the rule configures: another build may say what this one does not know. */
  #dispatcherOf({ name, entity, dispatcher, dispatcherConfig }: ManifestRule): string {
    try {
      return this.dispatchers.of({ entity, dispatcher, ...(dispatcherConfig && { dispatcherConfig }) }, name);
    } catch {
      return INLINE;
    }
  }

  async #matchWrittenTables(): Promise<void> {
    const written = this.#tablesToMatch;
    if (written === undefined || !this.#manifests.every(({ isRead }) => isRead)) return;
    this.registry.tablesToMatch = this.#tablesToMatch = undefined;
    if (written.size === 0) return;
    const concerned = [...this.#remote.values()].filter((rule) =>
      this.entities.tablesOfRemote(rule).some((table) => written.has(table)),
    );
    if (concerned.length > 0) await this.#bump([...new Set(concerned.map(({ target }) => target.methodTag))]);
  }

  /** A store that is away keeps it for later. */
  async #bump(tags: readonly string[]): Promise<void> {
    try {
      await this.runtime.invalidate(tags, 'purge', 'manifest');
    } catch (error) {
      this.runtime.log.error('manifest', 'What other processes cached could not be invalidated', error);
    }
  }

  #hints(): readonly string[] {
    const stores = new Set(this.#manifests.map(({ store }) => store));
    return this.registry
      .all()
      .filter(({ target }) => stores.has(target.store))
      .flatMap((rule) => {
        const { widened } = describeRule(rule, []);
        if (widened === undefined) return [];
        return `In processes that do not load its class, the rule of ${rule.target.name} on ${rule.entityName} drops all of the method: ${widened}.`;
      });
  }
}

const COARSE =
  'a change of one of their entities drops the whole namespace in processes that have not its rules.';

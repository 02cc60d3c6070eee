import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { DispatcherRegistry } from '../jobs/dispatcher-registry.js';
import { RemoteRule } from '../rules/remote-rule.js';
import { keyOf, describeRule, type ManifestRule, type RuleEntity } from '../rules/manifest-rule.js';
import { StoreUnavailableError } from '../../stores/store.interface.js';
import type { RuleRegistry } from '../rules/rule-registry.js';
import { SharedManifest, type Learned } from './shared-manifest.js';
import { INLINE } from '../rules/rule-options.js';

/** Interval between two looks at the shared manifests. Milliseconds. */
const POLL_MS = 1_000;
/** Delay of the second bump for a new remote rule: transactions that were open when it arrived have ended by then. Milliseconds. */
const SECOND_BUMP_MS = 60_000;

/** The rules of this process are described again this often: a DataSource may have learned tables. Milliseconds. */
const REDESCRIBE_MS = 60_000;

const NO_RULES: readonly ManifestRule[] = [];

/** What the exchange needs to know of the DataSources. */
export interface EntityTables {
  /** Number of DataSources. */
  readonly count: number;
  /** Their names for the table of a local entity, and more that other processes must know of it. */
  ruleEntity(entity: unknown): RuleEntity;
  /** The tables whose changes may concern a remote rule. */
  tablesOfRemote(rule: RemoteRule): ReadonlySet<string>;
}

/**
 * Exchanges invalidation rules between the processes of a namespace, through a manifest in every shared store: a worker that
 * saves a User invalidates the API's entries without having the API's classes.
 *
 * When a process learns a remote rule it drops the rule's method, because it may have committed changes before. It does so
 * again after {@link SECOND_BUMP_MS}, for transactions that were open at that time.
 */
export class RuleExchange {
  readonly #manifests: readonly SharedManifest[];
  /** By manifest key, so that reading a rule again keeps its object. */
  readonly #remote = new Map<string, RemoteRule>();
  /** Tables written before the remote rules were read; `undefined` afterwards. */
  #tablesToMatch: Set<string> | undefined;
  #own = new Map<SharedManifest, readonly ManifestRule[]>();
  #publishedRevision = -1;
  #publishedAt = 0;
  #cancel: (() => void) | undefined;
  /** Tags of pending second bumps, by the function that cancels the timer. */
  readonly #secondBumps = new Map<() => void, readonly string[]>();
  /** True if the namespace was dropped because of unreadable rules, which may have been any rules. */
  #hasDroppedForGarbage = false;
  #state: 'new' | 'running' | 'closed' = 'new';

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly registry: RuleRegistry,
    private readonly dispatchers: DispatcherRegistry,
    private readonly entities: EntityTables,
    /** True if this process publishes its own rules. */
    private readonly publishes = true,
  ) {
    const stores = new Set(runtime.settings.stores.values());
    this.#manifests = [...stores]
      .filter((store) => !store.keepsReferences)
      .map((store) => new SharedManifest(runtime, store));
    if (this.#manifests.length > 0) registry.tablesToMatch = this.#tablesToMatch = new Set();
  }

  /**
   * Starts polling if there are rules to publish or DataSources that can change. Calling it again does nothing. Never
   * rejects: if a store fails, the next poll tries again.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new' || this.#manifests.length === 0) return;
    const { ownAuto } = this.registry;
    if (this.entities.count === 0 && ownAuto === undefined && this.registry.all().length === 0) return;
    this.#state = 'running';
    await this.#poll();
    if (this.publishes) for (const line of this.#hints()) this.runtime.log.info(line);
  }

  /**
   * Stops polling, and carries out pending second bumps. If remote rules were never read but tables were written, it drops the
   * whole namespace.
   */
  async close(): Promise<void> {
    const wasRunning = this.#state === 'running';
    this.#state = 'closed';
    this.#cancel?.();
    for (const cancel of this.#secondBumps.keys()) cancel();
    // All transactions have ended.
    const pending = new Set([...this.#secondBumps.values()].flat());
    this.#secondBumps.clear();
    if (wasRunning && this.#tablesToMatch !== undefined && this.#tablesToMatch.size > 0)
      pending.add(this.runtime.space.allTag);
    if (pending.size > 0) await this.#bump([...pending]);
  }

  /** The DataSources know other tables: the next poll describes the rules of this process again. */
  describeAgain(): void {
    this.#publishedRevision = -1;
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
          // The next poll tries again. An unavailable store has logged that itself.
          if (!(error instanceof StoreUnavailableError))
            this.runtime.log.error(
              'manifest',
              `The rules of other processes could not be read from the ${manifest.store.kind} store, so changes here do not invalidate their entries until a read succeeds`,
              error,
            );
        }
      }),
    );
    await this.#matchWrittenTables();
  }

  /** Describes the rules of this process again if they changed, or after {@link REDESCRIBE_MS}. */
  #describeOwn(): void {
    const now = this.runtime.settings.clock.now();
    if (this.#publishedRevision === this.registry.revision && now - this.#publishedAt < REDESCRIBE_MS) return;
    this.#publishedRevision = this.registry.revision;
    this.#publishedAt = now;
    const rules = this.registry.all();
    for (const manifest of this.#manifests) {
      const own = rules.filter(({ target }) => target.store === manifest.store);
      this.#own.set(manifest, [
        ...own.map((rule) => describeRule(rule, this.entities.ruleEntity(rule.entity)).rule),
        // Values cached by hand may be in any store.
        ...(this.registry.ownAuto === undefined ? [] : [this.registry.ownAuto.describe()]),
      ]);
    }
  }

  async #learn({ rules, isFirst, garbage, isBounded }: Learned): Promise<void> {
    const { log, space } = this.runtime;
    if (isBounded) log.warn('manifest bound', TOO_MANY_RULES);
    this.#updateRemoteRules();
    const missed = isFirst
      ? []
      : rules.flatMap((rule) => this.#remote.get(keyOf(rule))?.target.methodTag ?? []);
    if (garbage.length > 0 && !this.#hasDroppedForGarbage) {
      this.#hasDroppedForGarbage = true;
      log.warn(
        'manifest garbage',
        `Some rules of other processes could not be read and are ignored: ${garbage[0]}. The whole namespace is dropped once. Run the same version of ` +
          `nestjs-restflow-cache in all processes.`,
      );
      missed.push(space.allTag);
    }
    // A bounded manifest does not tell which of its rules are new.
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

  /** Updates the remote rules: those in the manifests that this process does not have itself. */
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
    if (isChanged) this.registry.setRemote([...this.#remote.values()], this.runtime.space);
  }

  /** The rule's dispatcher if this process has it and accepts the rule's configuration, else `inline`. */
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
    const concerned = [...this.#remote.values()].filter((rule) => {
      if (rule.isAuto) return true;
      const tables = this.entities.tablesOfRemote(rule);
      return [...written].some((table) => tables.has(table));
    });
    if (concerned.length > 0) await this.#bump([...new Set(concerned.map(({ target }) => target.methodTag))]);
  }

  /** Never rejects. An unavailable store queues the bump. */
  async #bump(tags: readonly string[]): Promise<void> {
    try {
      await this.runtime.invalidate(tags, 'purge', 'manifest');
    } catch (error) {
      this.runtime.log.error(
        'manifest',
        'Entries of other processes could not be invalidated, so they may stay stale until their ttl ends',
        error,
      );
    }
  }

  /** One line for each local rule that drops more in processes that know it from the manifest only. */
  #hints(): readonly string[] {
    const stores = new Set(this.#manifests.map(({ store }) => store));
    return this.registry
      .all()
      .filter(({ target }) => stores.has(target.store))
      .flatMap((rule) => {
        const { widened } = describeRule(rule);
        if (widened === undefined) return [];
        return `In processes that do not load its class, the rule of ${rule.target.name} on ${rule.entityName} drops all entries of the method: ${widened}.`;
      });
  }
}

const TOO_MANY_RULES =
  'The processes of the namespace have too many rules to exchange, so a change of one of their entities drops the whole namespace in ' +
  'processes that do not load the classes of its rules.';

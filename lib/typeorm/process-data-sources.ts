import { watchDataSources, watchLoadedTypeOrm } from './data-source-watch.js';
import { EarlyChanges } from './early-changes.js';
import type { OrmDataSource } from './typeorm.interface.js';

/** An application that was configured and has not started by then, will not. Milliseconds. */
const MAX_BOOT_MS = 10 * 60_000;

/** The application, as far as it attaches DataSources. */
export interface DataSourceHost {
  attach(dataSource: OrmDataSource): void;
  initialized(dataSource: OrmDataSource): Promise<void> | undefined;
  detach(dataSource: OrmDataSource): void;
}

const applications = new Set<ProcessDataSources>();
/** The applications that provide a DataSource, or list it. Others of the process leave it alone. */
const owners = new WeakMap<OrmDataSource, Set<ProcessDataSources>>();

/** Those that a DataSource without an application of its own is attached to. */
export function runningApplications(): readonly ProcessDataSources[] {
  return [...applications];
}

/** The DataSources of this process that one application watches, from the moment that its module is configured. */
export class ProcessDataSources {
  readonly #early = new Map<OrmDataSource, EarlyChanges>();
  readonly #configuredAt = Date.now();
  #host: DataSourceHost | undefined;
  #stop: (() => void) | undefined;
  #isTaken = false;
  readonly #seen = new WeakSet<OrmDataSource>();

  /** @param wanted the option `dataSources`, as far as it is known */
  constructor(private readonly wanted: unknown = 'auto') {
    if (wanted === false) return;
    this.#stop = watchDataSources({
      initializing: (dataSource) => {
        if (this.#isWanted(dataSource)) this.#meet(dataSource);
      },
      initialized: (dataSource) =>
        this.#isWanted(dataSource) ? this.#host?.initialized(dataSource) : undefined,
      using: (dataSource) => {
        if (this.#host !== undefined && this.#isWanted(dataSource)) this.#host.attach(dataSource);
      },
      destroyed: (dataSource) => {
        if (this.#owns(dataSource)) return;
        this.#early.get(dataSource)?.detach();
        this.#early.delete(dataSource);
        this.#host?.detach(dataSource);
      },
    });
    if (Array.isArray(wanted)) for (const dataSource of wanted as OrmDataSource[]) this.#meet(dataSource);
  }

  /** For one application: a module that is imported by a second one begins anew. */
  take(): ProcessDataSources {
    watchLoadedTypeOrm();
    if (this.#isTaken) return new ProcessDataSources(this.wanted).take();
    this.#isTaken = true;
    return this;
  }

  /** DataSources that are initialised from now on are attached at once. @returns those that were met before */
  start(host: DataSourceHost): readonly OrmDataSource[] {
    this.#host = host;
    applications.add(this);
    return [...this.#early.keys()].filter((dataSource) => this.#isWanted(dataSource));
  }

  /** True if its initialisation was watched, with what its migrations wrote. */
  sawInitialisation(dataSource: OrmDataSource): boolean {
    return this.#seen.has(dataSource);
  }

  /** The changes that were collected before the application started. */
  earlyChangesOf(dataSource: OrmDataSource): EarlyChanges | undefined {
    const early = this.#early.get(dataSource);
    this.#early.delete(dataSource);
    return early;
  }

  /** The application provides the DataSource: applications of the process that do not provide it too leave it alone. */
  own(dataSource: OrmDataSource): void {
    const all = owners.get(dataSource) ?? new Set();
    owners.set(dataSource, all.add(this));
    for (const other of applications) if (!other.#isWanted(dataSource)) other.#host?.detach(dataSource);
  }

  /** Attaches a DataSource that the application does not provide. */
  attach(dataSource: OrmDataSource): void {
    this.#host?.attach(dataSource);
  }

  detach(dataSource: OrmDataSource): void {
    if (!this.#owns(dataSource)) this.#host?.detach(dataSource);
  }

  close(): void {
    this.#stop?.();
    this.#host = undefined;
    applications.delete(this);
    for (const early of this.#early.values()) early.detach();
    this.#early.clear();
  }

  #isWanted(dataSource: OrmDataSource): boolean {
    if (Array.isArray(this.wanted)) return this.wanted.includes(dataSource);
    return !owners.has(dataSource) || this.#owns(dataSource);
  }

  #owns(dataSource: OrmDataSource): boolean {
    return owners.get(dataSource)?.has(this) === true;
  }

  #meet(dataSource: OrmDataSource): void {
    if (this.#host === undefined && Date.now() - this.#configuredAt > MAX_BOOT_MS) return this.close();
    try {
      if (!dataSource.isInitialized) this.#seen.add(dataSource);
      if (this.#host !== undefined) this.#host.attach(dataSource);
      else if (!this.#early.has(dataSource) && this.#stop !== undefined)
        this.#early.set(dataSource, new EarlyChanges(dataSource));
    } catch {
      // The boot attaches it again, and says what is wrong. initialize() must not fail for it.
    }
  }
}

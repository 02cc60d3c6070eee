import { LRUCache } from 'lru-cache';
import { runOutsideLoads, type TableTags } from '../cache/engine/load-context.js';
import { within } from '../common/async.js';
import { systemClock } from '../common/time.js';
import { dialectOf } from './dialects.js';
import type { KnownTables } from './entities/tables.js';
import { expressionsOf, readNames, shapeOfSql, type SqlNames } from './sql/sql-names.js';
import { SchemaObjects } from './schema-objects.js';
import type { OrmDataSource } from './typeorm.interface.js';

const MAX_REMEMBERED = 2_000;
/** Longer texts are read each time. Characters. */
const MAX_LENGTH = 20_000;
/** Views and functions are read again this often, while queries ask for them. Milliseconds. */
const REREAD_MS = 60_000;
/** After a name that the schema did not have. */
const UNKNOWN_MS = 1_000;
/** The boot waits no longer for a connection: the pool may be in use by the boot itself. */
const MAX_WAIT_MS = 2_000;
/** An entry with more tables than this depends on all. */
const MAX_TABLES = 100;

/** Statements after which a name may mean something else. */
const DEFINES = /\b(?:create|alter|drop|rename)\b/i;

/**
 * The tags of the tables that a query reads: by the names in its text, and for views by those in their definitions. What cannot be told
 * (a function of the database, a name that its schema does not have) depends on any table.
 */
export class LoadTables {
  readonly #tags = new LRUCache<string, readonly string[]>({ max: MAX_REMEMBERED });
  #objects: SchemaObjects | undefined;
  #known: KnownTables | undefined;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(
    private readonly dataSource: OrmDataSource,
    private readonly tags: TableTags,
    private readonly known: () => KnownTables,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Reads the schema; resolves when it is read, and after a limited time. Never rejects. */
  ready(): Promise<void> {
    return within(systemClock, MAX_WAIT_MS, this.#read());
  }

  /** A statement ran: one that defines a table, a view or a function makes the schema unknown until it is read again. */
  ran(sql: string): void {
    if (this.#objects === undefined || !/^\s*(?:create|alter|drop|rename|begin|do)\b/i.test(sql)) return;
    if (DEFINES.test(sql)) this.#forget();
  }

  #forget(): void {
    this.#objects = undefined;
    this.#readAt = -Infinity;
    this.#tags.clear();
  }

  /** The tags of the tables that a text reads; none for texts that read no table. */
  tagsOf(sql: string): readonly string[] {
    this.#refresh(REREAD_MS);
    const shape = shapeOfSql(sql);
    const remembered = this.#tags.get(shape);
    if (remembered !== undefined) return remembered;
    const tags = [...this.#resolve(shape)];
    if (shape.length <= MAX_LENGTH) this.#tags.set(shape, tags);
    return tags;
  }

  #refresh(after: number): void {
    const known = this.known();
    if (known !== this.#known) {
      this.#known = known;
      this.#tags.clear();
    }
    if (Date.now() - this.#readAt >= after) void this.#read();
  }

  /** Outside of the load whose query asks for it, and never twice at once. */
  #read(): Promise<void> {
    return (this.#reading ??= runOutsideLoads(async () => {
      this.#readAt = Date.now();
      try {
        if (!this.dataSource.isInitialized) return;
        const objects = await SchemaObjects.read(this.dataSource);
        // A statement that defines something may have run meanwhile.
        if (this.#readAt === -Infinity) return;
        this.#objects = objects;
        this.#tags.clear();
      } catch (error) {
        if (this.dataSource.isInitialized) this.onError(error);
      } finally {
        this.#reading = undefined;
      }
    }));
  }

  #resolve(sql: string): ReadonlySet<string> {
    const found = new Set<string>();
    this.#add(found, sql, new Set());
    return found.size > MAX_TABLES ? new Set([this.tags.anyTableTag]) : found;
  }

  #add(found: Set<string>, sql: string, seen: Set<string>): void {
    const { hasBackslashEscapes } = dialectOf(this.dataSource);
    const names = readNames(sql, hasBackslashEscapes);
    if (names.isOpaque || this.#callsUnknown(names)) found.add(this.tags.anyTableTag);
    const expressions = expressionsOf(sql);
    for (const name of names.tables) this.#addName(found, name, seen, expressions.has(name));
    for (const name of names.others) if (this.#isKnown(name)) this.#addName(found, name, seen, true);
  }

  #callsUnknown({ calls }: SqlNames): boolean {
    return [...calls].some((name) => this.#objects?.functions.has(name) === true);
  }

  #isKnown(name: string): boolean {
    return this.#objects?.has(name) === true || this.#known!.isNamed(name);
  }

  /** @param mayBeAnother whether the name may be that of something else in the text */
  #addName(found: Set<string>, name: string, seen: Set<string>, mayBeAnother: boolean): void {
    if (seen.has(name)) return;
    seen.add(name);
    const objects = this.#objects;
    if (objects?.has(name) !== true) {
      if (mayBeAnother && !this.#known!.isNamed(name)) return;
      found.add(this.tags.anyTableTag);
      if (objects !== undefined) this.#refresh(UNKNOWN_MS);
    }
    found.add(this.tags.tableTag(name));
    for (const relative of this.#known!.relativesOf(name)) found.add(this.tags.tableTag(relative));
    for (const definition of objects?.definitionsOf(name) ?? []) {
      if (definition === '') found.add(this.tags.anyTableTag);
      else this.#add(found, definition, seen);
    }
  }
}

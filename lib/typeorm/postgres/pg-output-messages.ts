import type { RowChange } from '../../invalidation/change.interface.js';

/**
 * The parts of the `PgoutputPlugin` of `pg-logical-replication` that are used.
 *
 * @publicApi
 */
export interface PgOutputParser {
  /** Parses one message of the plug-in `pgoutput`. */
  parse(message: Buffer): object;
}

/** A published table: its columns by name, type and modifier of the type. */
export interface RelationShape {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly (readonly [string, number, number])[];
}

type Row = Readonly<Record<string, unknown>>;

interface Relation {
  readonly relationOid: number;
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentity: string;
  readonly columns: readonly { readonly name: string; readonly typeOid: number; readonly typeMod: number }[];
  readonly keyColumns: readonly string[];
}

type Message =
  | { readonly tag: 'begin' | 'origin' | 'type' | 'message' }
  | { readonly tag: 'commit'; readonly commitEndLsn: string | null; readonly commitTime: bigint }
  | ({ readonly tag: 'relation' } & Relation)
  | { readonly tag: 'truncate'; readonly relations: readonly (Relation | undefined)[] }
  | { readonly tag: 'insert'; readonly relation: Relation; readonly new: Row }
  | {
      readonly tag: 'update';
      readonly relation: Relation;
      readonly key: Row | null;
      readonly old: Row | null;
      readonly new: Row;
    }
  | {
      readonly tag: 'delete';
      readonly relation: Relation;
      readonly key: Row | null;
      readonly old: Row | null;
    };

/** With more rows in one transaction, only their tables are kept. */
const MAX_ROWS = 1_000;

/** Translates the messages of `pgoutput` into the changes of one transaction after the other. */
export class PgOutputMessages {
  readonly #shapes = new Map<number, string>();
  #rows: RowChange[] = [];
  isInTransaction = false;

  constructor(private readonly parser: PgOutputParser) {}

  /** The tables, read before everything that was cached of them was dropped. */
  know(shapes: readonly RelationShape[]): void {
    for (const { oid, schema, name, columns } of shapes)
      this.#shapes.set(oid, JSON.stringify([schema, name, columns]));
  }

  /** A stream begins. */
  begin(): void {
    this.#rows = [];
    this.isInTransaction = false;
  }

  /** The transaction that the message ends, if it does. */
  read(data: Buffer): { rows: RowChange[]; position: string | undefined; committedAt: number } | undefined {
    const message = this.parser.parse(data) as Message;
    switch (message.tag) {
      case 'begin':
        this.isInTransaction = true;
        this.#rows = [];
        return undefined;
      case 'commit': {
        const rows = this.#rows;
        this.#rows = [];
        this.isInTransaction = false;
        const { commitEndLsn, commitTime } = message;
        return {
          rows,
          position: commitEndLsn ?? undefined,
          committedAt: Number(commitTime / 1_000n),
        };
      }
      case 'relation':
        if (this.#isAltered(message)) this.#add(unknown(message));
        return undefined;
      case 'truncate':
        for (const relation of message.relations) if (relation !== undefined) this.#add(unknown(relation));
        return undefined;
      case 'insert':
        return this.#add({
          ...named(message.relation),
          type: 'insert',
          before: null,
          after: known(message.new),
        });
      case 'update':
        return this.#add({
          ...named(message.relation),
          type: 'update',
          before: known(message.old ?? message.key ?? keyOf(message.relation, message.new)),
          after: known(message.new),
        });
      case 'delete':
        return this.#add({
          ...named(message.relation),
          type: 'remove',
          before: known(message.old ?? message.key ?? {}),
          after: null,
        });
      default:
        return undefined;
    }
  }

  #add(change: RowChange): undefined {
    this.#rows.push(change);
    if (this.#rows.length > MAX_ROWS) {
      const tables = new Set(this.#rows.map(({ table }) => table));
      this.#rows = [...tables].map((table) => ({ table, type: 'unknown' }));
    }
  }

  /**
   * True if the table may have been altered since its rows were cached: ALTER TABLE can change rows without a message for each. It
   * comes with the first change after it, and again whenever the server has forgotten that it was sent.
   */
  #isAltered({ relationOid, schema, name, columns }: Relation): boolean {
    const shape = JSON.stringify([
      schema,
      name,
      columns.map((column) => [column.name, column.typeOid, column.typeMod]),
    ]);
    const before = this.#shapes.get(relationOid);
    this.#shapes.set(relationOid, shape);
    return before !== shape;
  }
}

function named({ schema, name }: Relation): { readonly table: string; readonly encoding: 'driver' } {
  return { table: `${schema}.${name}`.toLowerCase(), encoding: 'driver' };
}

function unknown(relation: Relation): RowChange {
  return { table: named(relation).table, type: 'unknown' };
}

/** The columns whose values were sent: of large values that did not change only REPLICA IDENTITY FULL sends the old ones. */
function known(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

/** The key did not change, or the old one would have been sent. */
function keyOf({ keyColumns, replicaIdentity }: Relation, row: Row): Row {
  if (replicaIdentity === 'full') return {};
  return Object.fromEntries(keyColumns.map((name) => [name, row[name]]));
}

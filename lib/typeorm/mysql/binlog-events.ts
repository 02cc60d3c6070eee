import type { RowChange } from '../../invalidation/change.interface.js';
import { readSql } from '../sql/written-tables.js';
import { POSITIONS } from './binlog-server.js';

type Row = Readonly<Record<string, unknown>>;

interface LoggedTable {
  readonly parentSchema: string;
  readonly tableName: string;
  readonly columnSchemas: readonly { readonly COLUMN_NAME: string; readonly COLUMN_TYPE: string }[];
}

/** The properties of the events of `@vlasky/zongji` that are read. */
export interface BinlogEvent {
  readonly timestamp: number;
  getEventName(): string;
  readonly tableId?: number;
  readonly tableMap?: Readonly<Record<number, LoggedTable>>;
  readonly rows?: readonly unknown[];
  readonly numberOfColumns?: number;
  readonly columns_present_bitmap?: Buffer;
  readonly columns_present_bitmap2?: Buffer;
  readonly query?: string;
  readonly schema?: string;
}

interface Transaction {
  readonly rows: RowChange[];
  readonly isUnknown: boolean;
  readonly committedAt: number;
}

/** The table of a statement that changes one as a whole. */
const ALTERED =
  /^(?:alter(?:\s+(?:online|ignore))*|drop|truncate)\s+table\s+(?:if\s+exists\s+)?((?:`[^`]+`|[\w$]+)(?:\s*\.\s*(?:`[^`]+`|[\w$]+))?)(?!\s*,)(?=\s|$|;)/i;

/** With more rows in one transaction, only their tables are kept. */
const MAX_ROWS = 1_000;
const WRITES = /^\s*(?:alter|drop|rename|truncate|insert|update|delete|replace|load)\b/i;

/** Translates the events of a binary log into the changes of one transaction after the other. */
export class BinlogEvents {
  #rows: RowChange[] = [];
  #isUnknown = false;

  /** A stream or a transaction begins. */
  begin(): void {
    this.#rows = [];
    this.#isUnknown = false;
  }

  /** The transaction that the event ends, if it does. */
  read(event: BinlogEvent): Transaction | undefined {
    switch (event.getEventName()) {
      case 'writerows':
        return this.#add(event, (row) => ({ type: 'insert', before: null, after: row as Row }));
      case 'deleterows':
        return this.#add(event, (row) => ({ type: 'remove', before: row as Row, after: null }));
      case 'updaterows':
        return this.#add(event, (row) => ({ type: 'update', ...(row as { before: Row; after: Row }) }));
      case 'xid':
        return this.#commit(event);
      case 'query':
        return this.#query(event);
      default:
        return undefined;
    }
  }

  #commit({ timestamp }: BinlogEvent): Transaction {
    const transaction = { rows: this.#rows, isUnknown: this.#isUnknown, committedAt: timestamp };
    this.begin();
    return transaction;
  }

  #add(
    event: BinlogEvent,
    changeOf: (row: unknown) => Pick<RowChange, 'type' | 'before' | 'after'>,
  ): undefined {
    const logged = event.tableMap?.[event.tableId!];
    if (logged === undefined || logged.tableName === POSITIONS) return;
    const table = `${logged.parentSchema}.${logged.tableName}`.toLowerCase();
    if (!isWhole(event)) return void this.#rows.push({ table, type: 'unknown' });
    // A driver gives the shortest text of a float, the log its binary value.
    const floats = new Set(
      logged.columnSchemas.flatMap((column) =>
        /^float/i.test(column.COLUMN_TYPE) ? column.COLUMN_NAME : [],
      ),
    );
    const exact = (row: Row | null | undefined): Row | null =>
      row == null ? null : Object.fromEntries(Object.entries(row).filter(([name]) => !floats.has(name)));
    for (const row of event.rows ?? []) {
      const { type, before, after } = changeOf(row);
      this.#rows.push({ table, type, before: exact(before), after: exact(after) });
    }
    if (this.#rows.length > MAX_ROWS) {
      const names = new Set(this.#rows.map((row) => row.table));
      this.#rows = [...names].map((name) => ({ table: name, type: 'unknown' }));
    }
  }

  /** BEGIN and COMMIT, DDL, and statements of a session that logs no rows. */
  #query(event: BinlogEvent): Transaction | undefined {
    const { query = '', schema = '' } = event;
    const text = query.trim();
    if (/^begin\b/i.test(text)) return void this.begin();
    if (/^(?:commit|rollback(?!\s+to)|xa\s+commit)\b/i.test(text)) return this.#commit(event);
    if (/^(?:savepoint|rollback|release|xa)\b/i.test(text)) return undefined;
    const altered = ALTERED.exec(text)?.[1];
    const writes = altered === undefined ? readSql(text, true).writes : [{ path: pathOf(altered) }];
    if (writes.some(({ path }) => path.at(-1) === POSITIONS)) return undefined;
    for (const { path } of writes) {
      const table = (path.length > 1 ? path : [schema.toLowerCase(), ...path]).join('.');
      this.#rows.push({ table, type: 'unknown' });
    }
    this.#isUnknown ||= writes.length === 0 && WRITES.test(text);
    // DDL commits by itself; the COMMIT that follows a statement finds nothing left.
    return this.#commit(event);
  }
}

function pathOf(name: string): string[] {
  return name.split('.').map((part) => part.trim().replaceAll('`', '').toLowerCase());
}

/** False for a session with another `binlog_row_image`: columns that are absent read as null. */
function isWhole(event: BinlogEvent): boolean {
  const { numberOfColumns = 0, columns_present_bitmap: one, columns_present_bitmap2: other } = event;
  const isSet = (bitmap: Buffer | undefined): boolean => {
    for (let i = 0; bitmap !== undefined && i < numberOfColumns; i++)
      if (((bitmap[i >> 3]! >> (i & 7)) & 1) === 0) return false;
    return true;
  };
  return isSet(one) && isSet(other);
}

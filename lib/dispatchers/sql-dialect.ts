import { CacheConfigurationError } from '../common/errors.js';

/** What the databases of one family write differently. */
export interface SqlDialect {
  readonly kind: 'postgres' | 'mysql' | 'sqlite';
  quote(name: string): string;
  /** The placeholder of the nth parameter, from 1. */
  parameter(n: number): string;
  /** A text of any length. */
  readonly text: string;
  /** After an INSERT: leaves out rows whose `id` is there. */
  readonly ifNew: string;
}

const quoted = (mark: string) => (name: string) => mark + name.replaceAll(mark, mark + mark) + mark;

const UNLESS_THERE = 'ON CONFLICT (id) DO NOTHING';

const DIALECTS: readonly (readonly [RegExp, SqlDialect])[] = [
  [
    /^(?:postgres|aurora-postgres|cockroachdb)$/,
    { kind: 'postgres', quote: quoted('"'), parameter: (n) => `$${n}`, text: 'text', ifNew: UNLESS_THERE },
  ],
  [
    /^(?:mysql|mariadb|aurora-mysql)$/,
    {
      kind: 'mysql',
      quote: quoted('`'),
      parameter: () => '?',
      text: 'mediumtext',
      ifNew: 'ON DUPLICATE KEY UPDATE id = id',
    },
  ],
  [
    /^(?:sqljs|sqlite|better-sqlite3|sqlite-pooled|capacitor|cordova|expo|nativescript|react-native)$/,
    { kind: 'sqlite', quote: quoted('"'), parameter: () => '?', text: 'text', ifNew: UNLESS_THERE },
  ],
];

export function hasDialect(dataSource: object): boolean {
  return DIALECTS.some(([types]) => types.test(typeOf(dataSource)));
}

/** @throws CacheConfigurationError for a database that the outbox does not know */
export function dialectOf(dataSource: object): SqlDialect {
  const type = typeOf(dataSource);
  const dialect = DIALECTS.find(([types]) => types.test(type))?.[1];
  if (dialect !== undefined) return dialect;
  throw new CacheConfigurationError(
    'OUTBOX_DATABASE',
    `The outbox works on PostgreSQL, MySQL, MariaDB and SQLite, not on '${type}'. Give rules on this database another dispatcher.`,
  );
}

function typeOf(dataSource: object): string {
  return String((dataSource as { options?: { type?: unknown } }).options?.type);
}

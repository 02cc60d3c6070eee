import { EntitySchema, type EntityManager } from 'typeorm';
import type { DatabaseName } from '../../support/databases.js';

/** A kind of column that a rule may map, and values of it. */
interface Kind {
  readonly type: string;
  readonly values: readonly (string | number | boolean)[];
}

const KINDS: readonly Kind[] = [
  { type: 'int', values: [1, 2, 3] },
  { type: 'bigint', values: ['1', '2', '9007199254740993'] },
  { type: 'varchar', values: ['a', 'B c', 'ümlaut'] },
  { type: 'boolean', values: [true, false] },
  { type: 'date', values: ['2026-01-05', '2026-12-31'] },
];
const UUIDS: Kind = {
  type: 'uuid',
  values: ['0b6f0a52-1d0d-4c5e-9c55-0d2f6a0b9a01', '0b6f0a52-1d0d-4c5e-9c55-0d2f6a0b9a02'],
};

export type Pick = <T>(from: readonly T[]) => T;

export const IDS = [1, 2, 3];
export const TAGS = [1, 2];

/** A random schema: one table of rows with a mapped column, and what else may be mapped onto it. */
export class RandomSchema {
  readonly Row = class Row {};
  readonly Alias = class Alias {};
  readonly Tag = class Tag {};
  readonly Link = class Link {};
  readonly kind: Kind;
  readonly hasAlias: boolean;
  readonly hasTags: boolean;
  readonly hasLink: boolean;
  readonly isEmbedded: boolean;
  readonly isComposite: boolean;
  readonly prefix: string;

  constructor(
    readonly number: number,
    database: DatabaseName,
    pick: Pick,
  ) {
    this.kind = pick(database === 'PostgreSQL' ? [...KINDS, UUIDS] : KINDS);
    this.hasAlias = pick([true, false]);
    this.isComposite = pick([true, false, false]);
    this.hasTags = !this.isComposite && pick([true, true, false]);
    this.hasLink = this.hasTags && pick([true, false]);
    this.isEmbedded = pick([true, false, false]);
    this.prefix = pick(['', `p${number}_`]);
  }

  /** The path of the mapped column on the rows' class. */
  get keyPath(): string {
    return this.isEmbedded ? 'inner.key' : 'key';
  }

  table(name: string): string {
    return this.prefix + name;
  }

  get entities(): EntitySchema[] {
    const { Row, Alias, Tag, Link, kind } = this;
    const key = { type: kind.type as never, name: 'k_col', nullable: true };
    const part = this.isComposite && { part: { type: 'int', primary: true, default: 7 } as const };
    const row = new EntitySchema<object>({
      name: 'Row',
      target: Row,
      tableName: 'row',
      columns: {
        id: { type: 'int', primary: true },
        ...part,
        ...(!this.isEmbedded && { key }),
        text: { type: 'varchar', name: 'words', length: 50, default: '' },
      } as never,
      ...(this.isEmbedded && {
        embeddeds: {
          inner: { schema: new EntitySchema({ name: 'Inner', columns: { key } as never }), prefix: '' },
        },
      }),
      ...(this.hasTags && {
        relations: {
          tags: {
            type: 'many-to-many',
            target: 'Tag',
            joinTable: {
              name: 'row_tag',
              joinColumn: { name: 'row_id', referencedColumnName: 'id' },
              inverseJoinColumn: { name: 'tag_id', referencedColumnName: 'id' },
            },
          },
        },
      }),
    } as never);
    const all: EntitySchema<object>[] = [row];
    if (this.hasAlias)
      all.push(
        new EntitySchema<object>({
          name: 'Alias',
          target: Alias,
          tableName: 'row',
          columns: {
            number: { type: 'int', primary: true, name: 'id' },
            ...part,
            // The name of another column of the rows' class.
            text: { ...key },
            key: { type: 'varchar', name: 'words', length: 50, default: '' },
          } as never,
        }),
      );
    if (this.hasTags)
      all.push(
        new EntitySchema<object>({
          name: 'Tag',
          target: Tag,
          columns: { id: { type: 'int', primary: true }, name: { type: 'varchar', length: 50 } } as never,
        }),
      );
    if (this.hasLink)
      all.push(
        new EntitySchema<object>({
          name: 'Link',
          target: Link,
          tableName: 'row_tag',
          columns: {
            row: { type: 'int', primary: true, name: 'row_id' },
            tag: { type: 'int', primary: true, name: 'tag_id' },
          } as never,
        }),
      );
    return all as EntitySchema[];
  }

  /** The writes that this schema allows, by name. */
  writes(
    quoted: (name: string) => string,
  ): Readonly<Record<string, (manager: EntityManager, pick: Pick) => Promise<unknown>>> {
    const { Row, Alias, Link, kind } = this;
    const rows = quoted(this.table('row'));
    const links = quoted(this.table('row_tag'));
    const part = this.isComposite && { part: 7 };
    const key = (value: unknown) => (this.isEmbedded ? { inner: { key: value } } : { key: value });
    const word = (pick: Pick): string => `w${pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])}`;
    const literal = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));
    return {
      'save the text': (manager, pick) =>
        manager.save(Row, { id: pick(IDS), ...part, text: word(pick) } as never),
      'save the key': (manager, pick) =>
        manager.save(Row, { id: pick(IDS), ...part, ...key(pick([...kind.values, null])) } as never),
      'update by id': (manager, pick) =>
        manager.update(Row, { id: pick(IDS) } as never, { text: word(pick) } as never),
      'update all': (manager, pick) =>
        manager
          .createQueryBuilder()
          .update(Row)
          .set({ text: word(pick) } as never)
          .execute(),
      'delete by id': (manager, pick) => manager.delete(Row, { id: pick(IDS) } as never),
      remove: async (manager, pick) => {
        const found = await manager.findOneBy(Row, { id: pick(IDS) } as never);
        if (found !== null) await manager.remove(found);
      },
      'raw UPDATE of the key': (manager, pick) =>
        manager.query(`UPDATE ${rows} SET k_col = ${literal(pick(kind.values))} WHERE id = ${pick(IDS)}`),
      'raw DELETE': (manager, pick) => manager.query(`DELETE FROM ${rows} WHERE id = ${pick(IDS)}`),
      ...(this.hasAlias && {
        'save the text by the alias': (manager: EntityManager, pick: Pick) =>
          manager.save(Alias, { number: pick(IDS), ...part, key: word(pick) } as never),
        'save the key by the alias': (manager: EntityManager, pick: Pick) =>
          manager.save(Alias, { number: pick(IDS), ...part, text: pick(kind.values) } as never),
        'update by the alias': (manager: EntityManager, pick: Pick) =>
          manager.update(Alias, { number: pick(IDS) } as never, { text: pick(kind.values) } as never),
      }),
      ...(this.hasTags && {
        'set tags': (manager: EntityManager, pick: Pick) =>
          manager.save(Row, {
            id: pick(IDS),
            tags: TAGS.filter(() => pick([true, false])).map((id) => ({ id })),
          } as never),
        'raw INSERT of a link': (manager: EntityManager, pick: Pick) =>
          manager.query(
            `INSERT INTO ${links} (row_id, tag_id) SELECT r.id, 1 FROM ${rows} r WHERE r.id = ${pick(IDS)} AND NOT EXISTS ` +
              `(SELECT 1 FROM ${links} l WHERE l.row_id = r.id AND l.tag_id = 1)`,
          ),
      }),
      ...(this.hasLink && {
        'save a link': async (manager: EntityManager, pick: Pick) => {
          const row = pick(IDS);
          if (await manager.existsBy(Row, { id: row } as never))
            await manager.save(Link, { row, tag: pick(TAGS) } as never);
        },
        'remove a link': async (manager: EntityManager, pick: Pick) => {
          const found = await manager.findOneBy(Link, { row: pick(IDS) } as never);
          if (found !== null) await manager.remove(found);
        },
      }),
    };
  }
}

import type { DataSource, EntityManager } from 'typeorm';
import { isMariaDb, isShared, schemaName, type DatabaseName } from './database.js';
import { Article, Author, Category, Comment, Folder, Media, Note, Photo, Reaction, Tag } from './entities.js';

export interface Operation {
  readonly name: string;
  /** Paths shown of each row in `expected`. */
  readonly paths?: readonly string[];
  readonly run: (
    manager: EntityManager,
    table: (name: string) => string,
    column: (name: string) => string,
  ) => Promise<unknown>;
  readonly expected: readonly string[];
  readonly expectedOn?: Partial<Record<DatabaseName, readonly string[]>>;
  /** Databases that know no such statement. */
  readonly isUnknownOn?: (database: DatabaseName) => boolean;
  /** Databases on which it commits the transaction that it runs in. */
  readonly commitsOn?: (database: DatabaseName) => boolean;
}

/** Known ids for every table, so that the lines below can name them. */
export async function seed(dataSource: DataSource): Promise<void> {
  const manager = dataSource.manager;
  await manager.save([manager.create(Author, { name: 'Ann' }), manager.create(Author, { name: 'Bob' })]);
  await manager.save([manager.create(Category, { slug: 'c1' }), manager.create(Category, { slug: 'c2' })]);
  const tags = await manager.save(['red', 'blue', 'green'].map((label) => manager.create(Tag, { label })));
  for (const title of ['one', 'two']) {
    await manager.save(
      manager.create(Article, {
        title,
        subtitle: 'sub',
        secret: 'hush',
        place: { city: 'Rome', street: 'Via' },
        author: { id: 1 },
        categoryId: 1,
        tags: tags.slice(0, 2),
      }),
    );
  }
  await manager.save(manager.create(Comment, { text: 'hi', article: { id: 1 } }));
  await manager.save(manager.create(Reaction, { commentId: 1, kind: 'like' }));
  await manager.save(manager.create(Photo, { file: 'a.jpg', width: 10 }));
  await manager.save(manager.create(Folder, { name: 'root' }));
}

const ARTICLE = ['id', 'title', 'author.id', 'categoryId'];
const article = (manager: EntityManager, id = 1) => manager.findOneByOrFail(Article, { id });
const ANNOUNCED_GONE = [
  'remove article ? ? → -',
  'remove comment ? ? → -',
  'remove reaction ? ? → -',
  'remove article_tag ? ? → -',
  'update article ? ? → ? [tags]',
  'update tag ? ? → ? [articles]',
];

/** What the database changes where an article is given another key. */
const FOLLOWING = [
  'update article_tag ? ? → ? [articleId]',
  'update article ? ? → ? [tags]',
  'update tag ? ? → ? [articles]',
];

const ON_MARIADB: readonly Operation[] = (
  [
    {
      name: 'raw INSERT … ON DUPLICATE KEY UPDATE',
      run: (m, table) =>
        m.query(`INSERT INTO ${table('note')} SET id = 1, text = 'x' ON DUPLICATE KEY UPDATE text = 'y'`),
      expected: ['unknown note ? ? → ?'],
    },
    {
      name: 'raw UPDATE of several tables, by their full names in backticks',
      run: (m, table) => {
        const [author, article] = ['author', 'article'].map((name) => quoted(table(name)));
        return m.query(
          `UPDATE ${author} a JOIN ${article} b ON b.authorId = a.id SET a.name = 'x', b.views = 2`,
        );
      },
      expected: ['unknown author ? ? → ?', 'unknown article ? ? → ?'],
    },
    {
      name: 'raw DELETE from several tables by their aliases',
      run: (m, table) =>
        m.query(
          `DELETE r, n FROM ${table('reaction')} r LEFT JOIN ${quoted(table('note'))} n ON n.id = r.commentId`,
        ),
      expected: ['unknown reaction ? ? → ?', 'unknown note ? ? → ?'],
    },
    {
      name: 'raw DELETE from several tables USING others',
      run: (m, table) =>
        m.query(
          `DELETE FROM ${table('reaction')}, ${table('note')} USING ${table('reaction')} LEFT JOIN ${table('note')} ON 1 = 1`,
        ),
      expected: ['unknown reaction ? ? → ?', 'unknown note ? ? → ?'],
    },
    {
      name: 'raw RENAME TABLE that puts another one in its place',
      run: async (m, table) => {
        await m.query(`CREATE TABLE ${table('note_new')} LIKE ${table('note')}`);
        await m.query(
          `RENAME TABLE ${table('note')} TO ${table('note_old')}, ${table('note_new')} TO ${table('note')}`,
        );
        await m.query(`DROP TABLE ${table('note_old')}`);
      },
      expected: ['unknown note ? ? → ?'],
      commitsOn: isMariaDb,
    },
  ] as Operation[]
).map((operation) => ({ ...operation, isUnknownOn: (database) => !isMariaDb(database) }));

export const OPERATIONS: readonly Operation[] = [
  {
    name: 'save() of a new row',
    paths: [...ARTICLE, 'author', 'category.id', 'subtitle', 'views'],
    run: (m) => m.save(m.create(Article, { title: 'new', author: { id: 2 }, categoryId: 2 })),
    expected: ['insert article 3 - → (3,new,2,2,2,2,null,0)'],
  },
  {
    name: 'save() of a changed row',
    paths: ARTICLE,
    run: async (m) => m.save(Object.assign(await article(m), { title: 'changed' })),
    expected: ['update article 1 (1,one,?,1) → (1,changed,?,1) [title updatedAt]'],
  },
  {
    name: 'save() of a row that moves, by its relation',
    paths: ['author.id', 'authorId', 'author'],
    run: (m) => m.save(Article, { id: 1, author: { id: 2 } }),
    expected: ['update article 1 (1,1,1) → (2,2,2) [author updatedAt]'],
  },
  {
    name: 'save() of a row that moves, by its foreign key column',
    paths: ['categoryId', 'category.id'],
    run: (m) => m.save(Article, { id: 1, categoryId: 2 }),
    expected: ['update article 1 (1,1) → (2,2) [category categoryId updatedAt]'],
  },
  {
    name: 'save() of a partial entity, whose left-out columns read null',
    paths: ['title', 'subtitle', 'categoryId', 'place.city', 'secret', 'author.id'],
    run: (m) => m.save(Article, { id: 1, title: 'partial' }),
    expected: ['update article 1 (one,sub,1,Rome,?,?) → (partial,sub,1,Rome,?,?) [title updatedAt]'],
  },
  {
    name: 'save() that sets a column to null',
    paths: ['subtitle'],
    run: (m) => m.save(Article, { id: 1, subtitle: null }),
    expected: ['update article 1 (sub) → (null) [subtitle updatedAt]'],
  },
  {
    name: 'save() of a column that is not selected',
    paths: ['secret'],
    run: (m) => m.save(Article, { id: 1, secret: 'other' }),
    expected: ['update article 1 (?) → (other) [secret updatedAt]'],
  },
  {
    name: 'save() of a column in an embedded',
    paths: ['place.city', 'place.street'],
    run: async (m) => {
      const row = await article(m);
      row.place.city = 'Oslo';
      await m.save(row);
    },
    expected: ['update article 1 (Rome,Via) → (Oslo,Via) [place.city updatedAt]'],
  },
  { name: 'save() without a change', run: async (m) => m.save(await article(m)), expected: [] },
  {
    name: 'save() of many rows',
    paths: ['title'],
    run: async (m) => {
      const rows = await m.find(Article, { order: { id: 1 } });
      await m.save(rows.map((row) => Object.assign(row, { title: `${row.title}!` })));
    },
    expected: [
      'update article 1 (one) → (one!) [title updatedAt]',
      'update article 2 (two) → (two!) [title updatedAt]',
    ],
  },
  {
    name: 'save() in chunks',
    run: (m) =>
      m.save(
        [1, 2, 3].map((id) => m.create(Note, { id, text: 'x' })),
        { chunk: 2 },
      ),
    expected: ['insert note 1 - → ()', 'insert note 2 - → ()', 'insert note 3 - → ()'],
  },
  {
    name: 'save() that cascades to a new child',
    paths: ['author.id'],
    run: (m) => m.save(m.create(Author, { name: 'Cat', articles: [m.create(Article, { title: 'child' })] })),
    expected: ['insert author 3 - → (?)', 'insert article 3 - → (?)'],
  },
  {
    name: "save() of a parent's list that leaves a child out: an orphan, of which nothing is said",
    run: (m) => m.save(Author, { id: 1, articles: [{ id: 1 }] }),
    expected: ['update article ? ? → ?'],
  },
  {
    name: "save() of a parent's list that takes another's child",
    paths: ['author.id'],
    run: async (m) => {
      const child = await m.findOneOrFail(Article, { where: { id: 1 }, relations: { author: true } });
      await m.save(Author, { id: 2, articles: [child] });
    },
    expected: ['update article 1 (1) → (?) [author updatedAt]'],
  },
  {
    name: 'save() of a many-to-many list only',
    paths: ['id'],
    run: (m) => m.save(Article, { id: 1, tags: [{ id: 2 }, { id: 3 }] }),
    expected: [
      'insert article_tag {"articleId":1,"tagId":3} - → (?)',
      'update article 1 (1) → (1) [tags]',
      'update tag 3 (3) → (3) [articles]',
      'remove article_tag {"articleId":1,"tagId":1} (?) → -',
      'update tag 1 (1) → (1) [articles]',
    ],
  },
  {
    name: 'save() with listeners: false',
    run: (m) => m.save(Article, { id: 1, title: 'quiet' }, { listeners: false }),
    expected: ['unknown article ? ? → ?'],
  },
  {
    name: 'save() with transaction: false',
    paths: ['title'],
    run: (m) => m.save(Article, { id: 1, title: 'bare' }, { transaction: false }),
    expected: ['update article 1 (one) → (bare) [title updatedAt]'],
  },
  {
    name: 'save() through the parent of an inheritance tree',
    paths: ['file', 'width'],
    run: async (m) => m.save(Object.assign(await m.findOneByOrFail(Media, { id: 1 }), { file: 'b.jpg' })),
    expected: ['update media 1 (a.jpg,10) → (b.jpg,10) [file]'],
  },
  {
    name: 'save() of a new node in a closure tree',
    run: (m) => m.save(m.create(Folder, { name: 'leaf', parent: { id: 1 } })),
    expected: ['unknown folder_closure ? ? → ?', 'insert folder 2 - → ()'],
  },
  {
    name: 'insert() of one row',
    paths: [...ARTICLE, 'subtitle'],
    run: (m) => m.insert(Article, { title: 'new', author: { id: 2 } }),
    expected: ['insert article 3 - → (3,new,2,null,null)'],
  },
  {
    name: 'insert() of many rows, whose generated ids are not all told without RETURNING',
    paths: ['id', 'label'],
    run: (m) => m.insert(Tag, [{ label: 'x' }, { label: 'y' }]),
    expected: ['insert tag 4 - → (4,x)', 'insert tag 5 - → (5,y)'],
    expectedOn: Object.fromEntries(
      ['sql.js', 'better-sqlite3', 'MariaDB as MySQL'].map((database) => [
        database,
        ['insert tag ? - → (?,x)', 'insert tag ? - → (?,y)'],
      ]),
    ),
  },
  {
    name: 'insert() with the key given',
    paths: ['id', 'text'],
    run: (m) =>
      m.insert(Note, [
        { id: 7, text: 'x' },
        { id: 8, text: 'y' },
      ]),
    expected: ['insert note 7 - → (7,x)', 'insert note 8 - → (8,y)'],
  },
  {
    name: 'insert() by a query builder that ignores conflicts',
    paths: ['id', 'slug'],
    run: (m) => m.createQueryBuilder().insert().into(Category).values({ slug: 'c1' }).orIgnore().execute(),
    expected: ['insert category ? - → (?,c1)'],
  },
  {
    name: 'upsert() that updates a row',
    paths: ['id', 'title', 'categoryId', 'subtitle'],
    run: (m) => m.upsert(Article, { title: 'one', categoryId: 2 }, ['title']),
    expected: ['unknown article ? ? → (?,one,2,?)'],
  },
  {
    name: 'upsert() that gives a row another key',
    paths: ['title'],
    run: (m) => m.upsert(Article, { id: 9, title: 'two' }, ['title']),
    expected: ['unknown article ? ? → (two)', ...FOLLOWING],
  },
  {
    name: 'update() by criteria, though its SET names an id',
    run: (m) => m.update(Article, { title: 'one' }, { id: 1, subtitle: 'all' }),
    expected: ['update article ? ? → ? [id subtitle updatedAt]', ...FOLLOWING],
  },
  {
    name: 'update() of a relation and an embedded column by criteria',
    run: (m) => m.update(Article, 1, { author: { id: 2 }, place: { city: 'Bern' } }),
    expected: ['update article ? ? → ? [author place.city updatedAt]'],
  },
  {
    name: 'update() by a query builder',
    run: (m) => m.createQueryBuilder().update(Article).set({ title: 'x' }).where('id = 1').execute(),
    expected: ['update article ? ? → ? [title updatedAt]'],
  },
  {
    name: 'increment()',
    run: (m) => m.increment(Article, { id: 1 }, 'views', 1),
    expected: ['update article ? ? → ? [updatedAt views]'],
  },
  {
    name: 'delete() by criteria, with what the database deletes for it, transitively',
    run: (m) => m.delete(Article, { id: 1 }),
    expected: ANNOUNCED_GONE,
  },
  {
    name: 'delete() whose dependents are set to null',
    run: (m) => m.delete(Category, 1),
    expected: ['remove category ? ? → -', 'update article ? ? → ? [category categoryId]'],
  },
  {
    name: 'delete() by a query builder',
    run: (m) => m.createQueryBuilder().delete().from(Reaction).where('1 = 1').execute(),
    expected: ['remove reaction ? ? → -'],
  },
  {
    name: 'softDelete() by criteria',
    run: (m) => m.softDelete(Article, { id: 1 }),
    expected: ['softRemove article ? ? → ? [deletedAt updatedAt]'],
  },
  {
    name: 'restore() by criteria',
    run: (m) => m.restore(Article, { id: 1 }),
    expected: ['recover article ? ? → ? [deletedAt updatedAt]'],
  },
  {
    name: 'remove() of a loaded row: links exactly, the rest of its dependents as unknown rows',
    paths: ['id', 'title', 'categoryId'],
    run: async (m) => m.remove(await article(m)),
    expected: [
      'remove article_tag {"articleId":1,"tagId":1} (?,?,?) → -',
      'update article 1 (1,?,?) → (1,?,?) [tags]',
      'update tag 1 (1,?,?) → (1,?,?) [articles]',
      'remove article_tag {"articleId":1,"tagId":2} (?,?,?) → -',
      'update tag 2 (2,?,?) → (2,?,?) [articles]',
      'remove article 1 (1,one,1) → -',
      'remove comment ? ? → -',
      'remove reaction ? ? → -',
    ],
  },
  {
    name: 'softRemove()',
    paths: ['title'],
    run: async (m) => m.softRemove(Object.assign(await article(m), { title: 'not written' })),
    expected: ['softRemove article 1 (one) → (one) [deletedAt updatedAt]'],
  },
  {
    name: 'recover()',
    paths: ['title', 'deletedAt'],
    run: async (m) => m.recover(await article(m)),
    expected: ['recover article 1 (one,null) → (one,null) [deletedAt updatedAt]'],
  },
  {
    name: 'remove() of a row with a composite key',
    run: async (m) => m.remove(await m.findOneByOrFail(Reaction, { commentId: 1 })),
    expected: ['remove reaction {"commentId":1,"kind":"like"} () → -'],
  },
  {
    name: 'relation().add()',
    paths: ['id'],
    run: (m) => m.createQueryBuilder().relation(Article, 'tags').of(1).add(3),
    expected: [
      'insert article_tag {"articleId":1,"tagId":3} - → (?)',
      'update article 1 (1) → (1) [tags]',
      'update tag 3 (3) → (3) [articles]',
    ],
  },
  {
    name: 'relation().remove()',
    run: (m) => m.createQueryBuilder().relation(Article, 'tags').of(1).remove(1),
    expected: [
      'remove article_tag ? ? → -',
      'update article ? ? → ? [tags]',
      'update tag ? ? → ? [articles]',
    ],
  },
  {
    name: 'relation().set()',
    run: (m) => m.createQueryBuilder().relation(Article, 'author').of(1).set(2),
    expected: ['update article ? ? → ? [author updatedAt]'],
  },
  {
    name: 'clear()',
    run: (m) => m.clear(Note),
    expected: ['unknown note ? ? → ?'],
    commitsOn: isMariaDb,
  },
  {
    name: 'a query builder with callListeners(false)',
    run: (m) => m.createQueryBuilder().update(Note).set({ text: 'x' }).callListeners(false).execute(),
    expected: ['unknown note ? ? → ?'],
  },
  {
    name: 'raw UPDATE, unquoted and in lower case',
    run: (m, table) => m.query(`update ${table('article')} set title = 'raw' where id = 1`),
    expected: ['unknown article ? ? → ?'],
  },
  {
    name: 'raw UPDATE of a key, with the rows that follow it',
    run: (m, table) => m.query(`UPDATE ${table('article')} SET title = 'x', id = 9 WHERE id = 2`),
    expected: ['unknown article ? ? → ?', ...FOLLOWING],
  },
  {
    name: 'raw DELETE, with its dependents',
    run: (m, table) => m.query(`DELETE FROM ${table('article')} WHERE id = 1`),
    expected: ['unknown article ? ? → ?', ...ANNOUNCED_GONE.slice(1)],
  },
  {
    name: 'raw INSERT into a junction',
    run: (m, table, column) =>
      m.query(
        `INSERT INTO ${table('article_tag')} (${column('articleId')}, ${column('tagId')}) VALUES (1, 3)`,
      ),
    expected: [
      'unknown article_tag ? ? → ?',
      'update article ? ? → ? [tags]',
      'update tag ? ? → ? [articles]',
    ],
  },
  {
    name: 'a raw write behind a CTE',
    run: (m, table) =>
      m.query(
        `WITH x AS (SELECT 1 AS id) UPDATE ${table('note')} SET text = 'c' WHERE id IN (SELECT id FROM x)`,
      ),
    expected: ['unknown note ? ? → ?'],
    isUnknownOn: isMariaDb,
  },
  {
    name: 'raw SELECT',
    run: (m, table) => m.query(`SELECT * FROM ${table('article')}`),
    expected: [],
  },
  {
    name: 'raw SQL after save() on the same table and runner',
    paths: ['text'],
    run: async (m, table, column) => {
      await m.save(m.create(Note, { id: 1, text: 'x' }));
      await m.query(`UPDATE ${table('note')} SET ${column('text')} = 'y'`);
    },
    expected: ['insert note 1 - → (x)', 'unknown note ? ? → ?'],
  },
  {
    name: 'raw REPLACE, which deletes the row and its dependents',
    run: (m, table) => m.query(`REPLACE INTO ${table('article')} (id, title) VALUES (1, 'again')`),
    expected: ['unknown article ? ? → ?', ...ANNOUNCED_GONE.slice(1)],
    isUnknownOn: (database) => database === 'PostgreSQL',
  },
  ...ON_MARIADB,
];

const quoted = (path: string): string => path.replace(/\w+/g, '`$&`');

export function tableNamer(database: DatabaseName): (name: string) => string {
  return (name) => (isShared(database) ? name : `${schemaName()}.${name}`);
}

export function columnNamer(database: DatabaseName): (name: string) => string {
  const mark = isMariaDb(database) ? '`' : '"';
  return (name) => mark + name + mark;
}

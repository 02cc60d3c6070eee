import type { DataSource, EntityManager } from 'typeorm';
import { Article, Author, Comment, Tag } from './views.js';

export const TAGS = 3;

/** What one client knows of its own rows, and what chooses for it. */
export interface Client {
  readonly number: number;
  readonly authors: readonly number[];
  readonly articles: readonly number[];
  pick<T>(from: readonly T[]): T;
  /** Another text each time. */
  word(): string;
}

export type Write = (manager: EntityManager, client: Client) => Promise<unknown>;

const article = (client: Client): number => client.pick(client.articles);
const author = (client: Client): number => client.pick(client.authors);
const status = (client: Client): 'draft' | 'published' => client.pick(['draft', 'published'] as const);

/** Writes of a client's own rows. No other client writes these. */
export const OWN: Record<string, Write> = {
  'save a loaded row': async (manager, client) => {
    const found = await manager.findOneBy(Article, { id: article(client) });
    if (found) await manager.save(Object.assign(found, { title: client.word(), status: status(client) }));
  },
  'save a part of a row': async (manager, client) => {
    const id = article(client);
    if (await manager.existsBy(Article, { id })) await manager.save(Article, { id, title: client.word() });
  },
  'save a new row': (manager, client) =>
    manager.save(Article, {
      slug: client.word(),
      title: client.word(),
      text: '',
      status: status(client),
      authorId: author(client),
    }),
  insert: (manager, client) =>
    manager.insert(Comment, {
      name: client.word(),
      text: '',
      article: { id: article(client) },
    }),
  'move a loaded row': async (manager, client) => {
    const found = await manager.findOneBy(Article, { id: article(client) });
    if (found) await manager.save(Object.assign(found, { authorId: author(client) }));
  },
  'move by the relation': async (manager, client) => {
    const id = article(client);
    if (await manager.existsBy(Article, { id }))
      await manager.save(Article, { id, author: { id: author(client) } });
  },
  'update by id': (manager, client) =>
    manager.update(Article, { id: article(client) }, { status: status(client), title: client.word() }),
  'update by criteria': (manager, client) =>
    manager.update(Article, { authorId: author(client), status: 'draft' }, { text: client.word() }),
  'move by criteria': (manager, client) =>
    manager.update(Article, { authorId: author(client) }, { authorId: author(client) }),
  'save a comment': async (manager, client) => {
    const found = await manager.findOneBy(Article, { id: article(client) });
    if (found) await manager.save(Comment, { name: client.word(), text: '', article: found });
  },
  'move a comment': async (manager, client) => {
    const found = await manager.findOneBy(Comment, { article: { id: article(client) } });
    if (found) await manager.save(Comment, { id: found.id, article: { id: article(client) } });
  },
  'move a comment by a query builder': (manager, client) =>
    manager
      .createQueryBuilder()
      .update(Comment)
      .set({ article: { id: article(client) } })
      .where('"articleId" = :id', { id: article(client) })
      .execute(),
  'delete comments by criteria': (manager, client) =>
    manager.delete(Comment, { article: { id: article(client) } }),
  'remove a row': async (manager, client) => {
    const found = await manager.findOneBy(Comment, { article: { id: article(client) } });
    if (found) await manager.remove(found);
  },
  'delete by a query builder': (manager, client) =>
    manager
      .createQueryBuilder()
      .delete()
      .from(Comment)
      .where('"articleId" = :id', { id: article(client) })
      .execute(),
  'delete what others cascade from': (manager, client) => manager.delete(Article, { id: article(client) }),
  'set tags by save': async (manager, client) => {
    const found = await manager.findOne(Article, {
      where: { id: article(client) },
      relations: { tags: true },
    });
    if (!found) return;
    const tags = await manager.find(Tag);
    found.tags = tags.filter(() => client.pick([true, false]));
    await manager.save(found);
  },
  'set tags by relation()': async (manager, client) => {
    const found = await manager.findOne(Article, {
      where: { id: article(client) },
      relations: { tags: true },
    });
    const tag = client.pick(await manager.find(Tag));
    if (!found) return;
    const relation = manager.createQueryBuilder().relation(Article, 'tags').of(found.id);
    await (found.tags.some(({ id }) => id === tag.id) ? relation.remove(tag.id) : relation.add(tag.id));
  },
  'rename an author': (manager, client) => manager.save(Author, { id: author(client), name: client.word() }),
  'rename an author by criteria': (manager, client) =>
    manager.update(Author, author(client), { name: client.word() }),
  upsert: (manager, client) =>
    manager.upsert(Author, authorRow(client, client.pick([0, 1]), client.word()), ['handle']),
  'raw UPDATE': (manager, client) =>
    manager.query('UPDATE article SET title = $1, status = $2 WHERE id = $3', [
      client.word(),
      status(client),
      article(client),
    ]),
  'raw UPDATE in a CTE': (manager, client) =>
    manager.query(
      'WITH moved AS (UPDATE comment SET "articleId" = $1 WHERE "articleId" = $2 RETURNING id) SELECT * FROM moved',
      [article(client), article(client)],
    ),
};

/** Writes that reach the rows of every client. */
export const SHARED: Record<string, Write> = {
  'rename a tag': async (manager, client) => {
    const tag = client.pick(await manager.find(Tag, { order: { id: 'ASC' } }));
    await manager.save(Object.assign(tag, { name: `tag-${client.pick([0, 1, 2])}-${client.word()}` }));
    await manager.update(Tag, tag.id, { name: `tag-${tag.id - 1}` });
  },
  'update all rows': (manager, client) =>
    manager.update(Article, { status: 'draft' }, { text: client.word() }),
  'raw DELETE': (manager) => manager.query('DELETE FROM comment WHERE id % 7 = 0'),
};

export function authorRow(client: Pick<Client, 'number'>, which: number, name: string): Partial<Author> {
  const handle = `author-${client.number}-${which}`;
  return { handle, name, token: handle };
}

class Undo extends Error {}

/** How a write is run: by itself, or with others in a transaction that ends one way or another. */
export const MANNERS: ((
  dataSource: DataSource,
  writes: readonly Write[],
  client: Client,
) => Promise<void>)[] = [
  async (dataSource, [write], client) => void (await write!(dataSource.manager, client)),
  async (dataSource, [write], client) => void (await write!(dataSource.manager, client)),
  (dataSource, writes, client) =>
    dataSource.transaction(async (manager) => {
      for (const write of writes) await write(manager, client);
    }),
  async (dataSource, writes, client) =>
    undone(
      dataSource.transaction(async (manager) => {
        for (const write of writes) await write(manager, client);
        throw new Undo();
      }),
    ),
  (dataSource, [first, ...others], client) =>
    dataSource.transaction(async (manager) => {
      await first!(manager, client);
      for (const write of others) {
        const keep = client.pick([true, false]);
        await undone(
          manager.transaction(async (inner) => {
            await write(inner, client);
            if (!keep) throw new Undo();
          }),
        );
      }
    }),
  async (dataSource, writes, client) => {
    const runner = dataSource.createQueryRunner();
    try {
      await runner.query('BEGIN');
      for (const write of writes) await write(runner.manager, client);
      await runner.query(client.pick(['COMMIT', 'ROLLBACK']));
    } catch (error) {
      await runner.query('ROLLBACK');
      throw error;
    } finally {
      await runner.release();
    }
  },
];

async function undone(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof Undo)) throw error;
  });
}

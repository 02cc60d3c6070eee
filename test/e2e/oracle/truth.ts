import type { DataSource } from 'typeorm';
import type { Views } from './views.js';

const list = (value: string, from: string, order: string): string =>
  `(SELECT coalesce(json_agg(${value} ORDER BY ${order}), '[]') FROM ${from})`;

const ARTICLE = `json_build_array(a.title, a.text, a.status, (SELECT name FROM author WHERE id = a."authorId"),
  ${list('t.name', 'tag t JOIN article_tags_tag j ON j."tagId" = t.id WHERE j."articleId" = a.id', 't.name COLLATE "C"')},
  ${list('c.name', 'comment c WHERE c."articleId" = a.id', 'c.id')})`;
const PUBLISHED = `(SELECT count(*)::int FROM article WHERE status = 'published')`;
const TAGGED = `article a JOIN article_tags_tag j ON j."articleId" = a.id JOIN tag t ON t.id = j."tagId" WHERE t.name =`;
const TITLES = 'json_build_array(a.slug, a.title)';

/** The views as one SQL statement each, by a connection that no cache watches. */
const SQL: Record<keyof Views, string> = {
  article: `(SELECT ${ARTICLE} FROM article a WHERE a.id = $1)`,
  comments: list('json_build_array(c.name, c.text)', 'comment c WHERE c."articleId" = $1', 'c.id'),
  byAuthor: list('a.id', 'article a WHERE a."authorId" = $1', 'a.id'),
  drafts: list(
    'json_build_array(a.id, a.title)',
    `article a WHERE a."authorId" = $1 AND status = 'draft'`,
    'a.id',
  ),
  authorPage: `json_build_array((SELECT name FROM author WHERE id = $1),
    ${list(ARTICLE, 'article a WHERE a."authorId" = $1', 'a.id')})`,
  tagged: list(TITLES, `${TAGGED} $1`, 'a.id'),
  published: PUBLISHED,
  front: `json_build_array(${PUBLISHED}, ${list(TITLES, `${TAGGED} 'tag-0'`, 'a.id')})`,
};

export async function truth(
  database: DataSource,
  view: keyof Views,
  argument?: number | string,
): Promise<unknown> {
  const rows: { value: unknown }[] = await database.query(
    `SELECT ${SQL[view]} AS value`,
    argument === undefined ? [] : [argument],
  );
  return rows[0]!.value;
}

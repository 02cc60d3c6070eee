import { isShared, type DatabaseName } from './database.js';

/** Of a row of which nothing is known: every method on articles, but `titles` where the columns are told. */
const ANY_ARTICLE_BUT_TITLES =
  'article:* byAuthor:* byCategory:* inCity:* articles oldest inSecond notInFirst';
const ANY_ARTICLE = `${ANY_ARTICLE_BUT_TITLES} titles`;
const WITH_DEPENDENTS = `${ANY_ARTICLE} tag:* comments:* reactions:*`;

/**
 * Which entries of `library.ts` die of each operation of `operations.ts`, when it is committed; all others live. The author of
 * an article has no column of its own: where TypeORM does not load it, all of `byAuthor` dies.
 */
export const DEAD: Readonly<Record<string, string | ((database: DatabaseName) => string)>> = {
  'save() of a new row': 'article:3 byAuthor:2 byCategory:2 inCity:null articles titles inSecond notInFirst',
  'save() of a changed row': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'save() of a row that moves, by its relation':
    'article:1 byAuthor:1,2 byCategory:1 inCity:Rome articles oldest',
  'save() of a row that moves, by its foreign key column':
    'article:1 byAuthor:* byCategory:1,2 inCity:Rome articles oldest inSecond notInFirst',
  'save() of a partial entity, whose left-out columns read null':
    'article:1 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'save() that sets a column to null': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles oldest',
  'save() of a column that is not selected': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles oldest',
  'save() of a column in an embedded': 'article:1 byAuthor:* byCategory:1 inCity:Rome,Oslo articles oldest',
  'save() without a change': '',
  'save() of many rows': 'article:1,2 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'save() in chunks': 'note:1,2,3 notes',
  'save() that cascades to a new child':
    'author:3 article:3 byAuthor:* byCategory:null inCity:null articles titles notInFirst',
  "save() of a parent's list that leaves a child out: an orphan, of which nothing is said": ANY_ARTICLE,
  "save() of a parent's list that takes another's child":
    'article:1 byAuthor:* byCategory:1 inCity:Rome articles oldest',
  'save() of a many-to-many list only':
    'article:1 byAuthor:* byCategory:* inCity:* articles oldest inSecond notInFirst tag:1,3',
  'save() with listeners: false': ANY_ARTICLE,
  'save() with transaction: false': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'save() through the parent of an inheritance tree': 'media:1 photos',
  'save() of a new node in a closure tree': 'folder:2',
  'insert() of one row': 'article:3 byAuthor:2 byCategory:null inCity:null articles titles notInFirst',
  'insert() of many rows, whose generated ids are not all told without RETURNING': (database) =>
    isShared(database) ? 'tag:*' : 'tag:4,5',
  'insert() with the key given': 'note:7,8 notes',
  'insert() by a query builder that ignores conflicts': 'category:*',
  'upsert() that updates a row': ANY_ARTICLE,
  'upsert() that gives a row another key': `${ANY_ARTICLE} tag:*`,
  'update() by criteria, though its SET names an id': `${ANY_ARTICLE_BUT_TITLES} tag:*`,
  'update() of a relation and an embedded column by criteria': ANY_ARTICLE_BUT_TITLES,
  'update() by a query builder': ANY_ARTICLE,
  'increment()': ANY_ARTICLE_BUT_TITLES,
  'delete() by criteria, with what the database deletes for it, transitively': WITH_DEPENDENTS,
  'delete() whose dependents are set to null': `category:* ${ANY_ARTICLE_BUT_TITLES}`,
  'delete() by a query builder': 'reactions:*',
  'softDelete() by criteria': ANY_ARTICLE,
  'restore() by criteria': ANY_ARTICLE,
  'remove() of a loaded row: links exactly, the rest of its dependents as unknown rows':
    'article:1 byAuthor:* byCategory:* inCity:* articles titles oldest inSecond notInFirst tag:1,2 comments:* reactions:*',
  'softRemove()': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'recover()': 'article:1 byAuthor:* byCategory:1 inCity:Rome articles titles oldest',
  'remove() of a row with a composite key': 'reactions:1',
  'relation().add()': 'article:1 byAuthor:* byCategory:* inCity:* articles oldest inSecond notInFirst tag:3',
  'relation().remove()': `${ANY_ARTICLE_BUT_TITLES} tag:*`,
  'relation().set()': ANY_ARTICLE_BUT_TITLES,
  'clear()': 'note:* notes',
  'a query builder with callListeners(false)': 'note:* notes',
  'raw UPDATE, unquoted and in lower case': ANY_ARTICLE,
  'raw UPDATE of a key, with the rows that follow it': `${ANY_ARTICLE} tag:*`,
  'raw DELETE, with its dependents': WITH_DEPENDENTS,
  'raw INSERT into a junction': `${ANY_ARTICLE_BUT_TITLES} tag:*`,
  'a raw write behind a CTE': 'note:* notes',
  'raw SELECT': '',
  'raw SQL after save() on the same table and runner': 'note:* notes',
  'raw REPLACE, which deletes the row and its dependents': WITH_DEPENDENTS,
};

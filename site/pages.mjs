import { readdirSync, readFileSync } from 'node:fs';

const docs = new URL('../docs/', import.meta.url);

/** The pages in the order in which to read them; every page stands in one group. */
const GROUPS = {
  Start: ['first-application', 'commands', 'migrating', 'recipes'],
  Caching: ['keys', 'responses', 'results', 'invalidation', 'staleness', 'safety', 'fast-lane'],
  'Tenants and contexts': ['multi-tenancy', 'tenant-databases'],
  'Where values live': ['stores', 'dispatchers', 'change-sources'],
  Running: ['operations', 'failures', 'troubleshooting', 'consistency', 'performance'],
  Seeing: ['dashboard', 'observability', 'prometheus', 'opentelemetry'],
  Reference: ['options', 'testing', 'architecture'],
};

/** The first heading of a page. */
const titleOf = (path) => /^# (.+)$/m.exec(readFileSync(new URL(`${path}.md`, docs), 'utf8'))?.[1] ?? path;

/** Groups with the pages that exist. A page that no group names is in the last. */
export function pages() {
  const present = readdirSync(docs, { recursive: true })
    .map((path) => String(path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.md') && path !== 'index.md')
    .map((path) => path.slice(0, -3));
  const named = new Set(Object.values(GROUPS).flat());
  const item = (path) => ({ text: titleOf(path), link: `/${path}` });
  const groups = Object.entries(GROUPS).map(([title, paths]) => ({
    title,
    items: paths.filter((path) => present.includes(path)).map(item),
  }));
  const others = present.filter((path) => !named.has(path)).sort();
  return [...groups, { title: 'More', items: others.map(item) }].filter(({ items }) => items.length > 0);
}

// `npm run bench -- flat [rounds] [processes]`: a hit in memory among 1 and among 10,000 methods, rules, entries and bumped tags.
import { aim, publish } from './rig/results.mjs';
import { finder, libraryRows, numbers } from './rig/run.mjs';

const [rounds, generations] = numbers(3, 5);
const MANY = 10_000;
const kinds = ['methods', 'rules', 'entries', 'bumped'];
const titles = { methods: 'cached methods', rules: 'rules', entries: 'entries', bumped: 'bumped tags' };
const one = { title: 'one method, no rule, one entry, no bump', name: 'flat' };
const many = kinds.map((kind) => ({ title: `10,000 ${titles[kind]}`, name: 'flat', [kind]: MANY }));

const rows = await libraryRows([one, ...many], { rounds, generations });
const find = finder(rows);
await publish({
  name: 'flat',
  title: 'A hit among many',
  tables: [{ title: "a hit in memory, isolation 'freeze'", first: one.title, rows }],
  aims: many.map(({ title }) =>
    aim({ what: `a hit with ${title}`, of: find(title), over: find(one.title), atMost: 1.1 }),
  ),
});

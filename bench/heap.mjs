// `npm run bench -- heap [responses] [processes]`: heap and external memory of a stored 3 KB response with four tags, over the bytes of its
// head and body.
import { Process } from './rig/processes.mjs';
import { limit, publish, row } from './rig/results.mjs';
import { numbers } from './rig/run.mjs';

const [count, processes] = numbers(20_000, 7);
const rounds = [];
for (let i = 0; i < processes; i++) {
  const one = await Process.start(new URL('./heap/subject.mjs', import.meta.url), { count });
  rounds.push(await one.ask({}));
  one.stop();
}
const rows = [row('a response of 3 KB in memoryStore()', rounds)];
await publish({
  name: 'heap',
  title: 'Memory of a stored response',
  tables: [{ title: `${count.toLocaleString('en')} responses`, rows }],
  aims: [
    limit({ what: 'heapUsed + external, over head and body', of: rows[0], figure: 'heap', atMost: 1.3 }),
    limit({ what: 'RSS, over head and body', of: rows[0], figure: 'rss' }),
  ],
});

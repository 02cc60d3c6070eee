// `npm run bench -- keys [rounds] [processes]`: what it takes to write a key of three fields, with its call.
import { limit, publish } from './rig/results.mjs';
import { libraryRows, numbers } from './rig/run.mjs';

const [rounds, generations] = numbers(3, 5);
const rows = await libraryRows([{ title: 'a key of three fields', name: 'key of three fields' }], {
  rounds,
  generations,
});
await publish({
  name: 'keys',
  title: 'A key',
  tables: [{ title: 'getCacheKey(1, user, "en")', rows }],
  aims: [limit({ what: 'a key of three fields, µs', of: rows[0], figure: 'cpu', atMost: 1 })],
});

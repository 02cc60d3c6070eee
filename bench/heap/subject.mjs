// A process that stores responses in memory through a Fastify application, and tells how many bytes each takes.
import { memoryStore } from '../../dist/esm/index.js';
import { itemsApplication } from '../rig/items.mjs';
import { options, serve } from '../rig/processes.mjs';

const { count = 20_000 } = options();

const store = memoryStore({ maxBytes: 4 * 1024 ** 3, maxEntries: 1_000_000 });
const app = await itemsApplication({ store });
await app.init();
await app.getHttpAdapter().getInstance().ready();

let next = 0;
let bytes = 0;
const OF_NODE = new Set(['date', 'connection', 'keep-alive']);

async function fill(responses) {
  bytes = 0;
  for (let i = 0; i < responses; i++) {
    const { body, headers } = await app.inject({ url: `/items/${String(next++).padStart(8, '0')}` });
    bytes += Buffer.byteLength(body);
    for (const [name, value] of Object.entries(headers))
      if (!OF_NODE.has(name)) bytes += name.length + String(value).length + 4;
  }
}

async function used() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}

// What is made once, and the code that runs hot, is there before.
await fill(3_000);
serve(async () => {
  const before = await used();
  await fill(count);
  const after = await used();
  if (store.size.entries !== next) throw new Error(`${store.size.entries} of ${next} responses are stored`);
  const estimate = store.size.bytes / store.size.entries / (bytes / count);
  return {
    heap: (after.heap - before.heap) / bytes,
    rss: (after.rss - before.rss) / bytes,
    stored: bytes / count,
    estimate,
  };
});

import { DataSource, EntitySchema } from 'typeorm';
import { invalidates, memoryStore } from '../../dist/esm/index.js';
import { cachedService } from '../application.mjs';
import { payload } from '../rig/payload.mjs';

/** A hit in an application with so many cached methods, rules, entries, or tags that were bumped. */
export async function flatCall({ methods = 1, rules = 0, entries = 1, bumped = 0 }) {
  const described = { read: { isolation: 'freeze' } };
  for (let i = 1; i < methods; i++) described[`method${i}`] = {};
  if (rules > 0) described.ruled = { invalidatesOn: await manyRules(rules) };
  const { service, cache } = await cachedService(described, () => payload, {
    store: memoryStore({ maxEntries: 200_000, maxBytes: 4 * 1024 ** 3 }),
  });
  for (let user = 0; user < entries; user++) await service.read(1, user);
  for (let from = 0; from < bumped; from += 100)
    await cache.invalidateTags(Array.from({ length: 100 }, (_, i) => `tag${from + i}`));
  return () => service.read(1, 0);
}

async function manyRules(count) {
  class Row {}
  const columns = { id: { type: Number, primary: true }, text: { type: String } };
  const schema = new EntitySchema({ name: 'FlatRow', target: Row, columns });
  await new DataSource({ type: 'sqljs', entities: [schema], synchronize: true }).initialize();
  return Array.from({ length: count }, () => invalidates(Row, { scope: 'all' }));
}

// `node --import ./test/support/typescript.mjs test/inputs/recorder/write-tables.ts [NAME…]` writes the tables anew, after
// a package has been updated. A new entry is neutral, and belongs in a table of lib/http/request/, or it is a new input.
import { writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { type ApplicationName, applicationNames, recordTable, tablePath } from './tables.js';

const asked = process.argv.slice(2) as ApplicationName[];
for (const name of asked.length > 0 ? asked : applicationNames) {
  const path = tablePath(name);
  const table = JSON.stringify(await recordTable(name));
  await writeFile(path, await format(table, { ...(await resolveConfig(path)), parser: 'json' }));
  console.log(path);
}

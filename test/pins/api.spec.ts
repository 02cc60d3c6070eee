import 'reflect-metadata';
import { join } from 'node:path';
import { beforeAll, describe, it } from '@jest/globals';
import { entryNames } from '../../scripts/entries.mjs';
import { apiReports } from './support/api-report.js';
import { expectPinned } from './support/pin.js';

const root = join(import.meta.dirname, '..', '..');
const entries = entryNames();

describe('the names and signatures of an entry stay as pinned:', () => {
  let reports: ReadonlyMap<string, string>;

  beforeAll(() => {
    reports = new Map(apiReports(root, entries).map(({ entry, text }) => [entry, text]));
  });

  it.each(entries)('%s', async (entry) => {
    const values = Object.keys((await import(`../../lib/${entry}.js`)) as object).sort();
    expectPinned(
      `api/${entry}.txt`,
      `// Values at run time\n\n${values.join('\n')}\n\n${reports.get(entry)!}`,
    );
  });
});

import { expect, it } from '@jest/globals';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { Model } from './support/model.js';

it('no read begun after an acknowledged purge returns an older value', async () => {
  const operations = soaked(100_000);
  announce('no read begun after an acknowledged purge returns an older value', operations);
  const model = await Model.start(randomNumbers(seed));
  await model.run(operations);
  const { counts, violations, application } = model;
  process.stderr.write(`${JSON.stringify(counts)}\n`);
  expect(violations).toEqual([]);
  expect(counts.hits).toBeGreaterThan(counts.reads / 3);
  // Every kind of thing happened.
  expect(counts.stale).toBeGreaterThan(operations / 500);
  expect(counts.failed).toBeGreaterThan(operations / 500);
  expect(counts.bumps).toBeGreaterThan(operations / 20);
  await application.close();
}, 300_000);

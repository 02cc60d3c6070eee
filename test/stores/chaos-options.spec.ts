import { expect, it } from '@jest/globals';
import { memoryStore } from '../../lib/index.js';
import { chaosStore } from '../../lib/testing.js';

it.each<[unknown, RegExp]>([
  [{ seed: 1, errors: 1 }, /unknown option errors\. Known are: seed, /],
  [{ seed: 1, error: 2 }, /error .*between 0 and 1, not 2/],
  [{ seed: 1, hang: -1 }, /hang .*between 0 and 1, not -1/],
  [{ error: 1 }, /seed .*must be a number/],
  [undefined, /Write chaosStore\(store, \{ seed: 7/],
])('chaosStore refuses %p', (options, message) => {
  expect(() => chaosStore(memoryStore(), options as never)).toThrow(message);
  expect(() => chaosStore(memoryStore(), options as never)).toThrow(TypeError);
});

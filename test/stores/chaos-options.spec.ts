import { expect, it } from '@jest/globals';
import { memoryStore } from '../../lib/index.js';
import { chaosStore } from '../../lib/testing.js';

it.each<[unknown, RegExp]>([
  [{ seed: 1, errors: 1 }, /unknown option errors\. Did you mean error\? Known options: seed, /],
  [{ seed: 1, error: 2 }, /error is 2\. Write a probability between 0 and 1/],
  [{ seed: 1, hang: -1 }, /hang is -1\. Write a probability/],
  [{ error: 1 }, /seed is missing\. Write a number/],
  [undefined, /Write chaosStore\(store, \{ seed: 7/],
])('chaosStore refuses %p', (options, message) => {
  expect(() => chaosStore(memoryStore(), options as never)).toThrow(message);
  expect(() => chaosStore(memoryStore(), options as never)).toThrow(TypeError);
});

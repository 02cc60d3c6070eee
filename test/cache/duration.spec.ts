import { describe, expect, it } from '@jest/globals';
import { parseDuration } from '../../lib/common/time.js';

describe('a duration', () => {
  it.each([
    [0, 0],
    [60, 60_000],
    [2_592_000, 2_592_000_000],
    ['0s', 0],
    ['500ms', 500],
    ['90s', 90_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['007d', 604_800_000],
    [null, Infinity],
  ])('%p is %p ms', (duration, ms) => {
    expect(parseDuration(duration, 'ttl')).toBe(ms);
  });

  it.each([
    '60',
    '',
    ' ',
    '1',
    '-1s',
    '1.5h',
    '1e3s',
    ' 1s',
    '1s ',
    '1 s',
    '1S',
    '1w',
    's',
    'ms',
    '1234567890123456s',
    '٣s',
    -1,
    NaN,
    1.5,
    Infinity,
    -Infinity,
    2 ** 53,
    1e300,
    undefined,
    true,
    1n,
    {},
    [],
    Symbol('s'),
    new Date(0),
    () => 1,
  ])('%p is refused', (duration) => {
    let thrown: unknown;
    try {
      parseDuration(duration, '@CacheResult() ttl of Users.find');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TypeError);
    expect(thrown).toMatchObject({
      code: 'CACHE_OPTION_TYPE',
      message: expect.stringMatching(/^@CacheResult\(\) ttl of Users\.find is .*not a duration.*'15m'.*null/),
    });
  });

  it('a text without a unit is refused with a suggestion of the unit', () => {
    expect(() => parseDuration('60', 'ttl')).toThrow("for example 60 or '60s'");
  });

  it('a number above 30 days gets a hint, since it may be milliseconds', () => {
    const hints: string[] = [];
    expect(parseDuration(2_592_001, 'ttl of A.b', (hint) => hints.push(hint))).toBe(2_592_001_000);
    expect(parseDuration('31d', 'ttl of A.b', (hint) => hints.push(hint))).toBe(31 * 86_400_000);
    expect(parseDuration(2_592_000, 'ttl of A.b', (hint) => hints.push(hint))).toBe(2_592_000_000);
    expect(hints).toEqual([
      expect.stringMatching(/^ttl of A\.b is 2592001 seconds \(30 days\).*'2592001ms'.*'30d'/),
    ]);
  });
});

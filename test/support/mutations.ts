/** Numbers in [0, 1), see `randomNumbers()`. */
export type Random = () => number;

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

/** What somebody may write in place of anything: wrong types, wrong shapes, and texts that end what they stand in. */
export const HOSTILE_VALUES: readonly unknown[] = [
  ...[undefined, null, true, 0, -1, 0.5, 101, 'abc', 600, 1e9, 1e300, -1e300, NaN, Infinity, -Infinity, 10n],
  ...[
    '',
    '\r\n',
    'a\r\nset-cookie: b=c',
    '\0',
    '"',
    'W/',
    '\u{1f600}',
    '\ud800',
    'x'.repeat(10_000),
    '__proto__',
  ],
  ...[[], {}, [[]], ['one'], { then: 1 }, { toString: 1 }, { length: 3 }, { $ne: null }, 'constructor'],
  ...[
    new Map(),
    new Set([1]),
    new Date(NaN),
    /(a+)+$/,
    Buffer.alloc(3),
    new Error('no'),
    new Float64Array(3),
  ],
];

/**
 * A copy with one place changed, at any depth.
 *
 * @param names members that objects are given, beside those that they have
 * @param hostile what takes the place
 */
export function mutate(
  value: unknown,
  random: Random,
  names: readonly string[] = [],
  hostile: readonly unknown[] = HOSTILE_VALUES,
): unknown {
  const again = (one: unknown): unknown => mutate(one, random, names, hostile);
  const isPlain = typeof value === 'object' && value !== null && !Buffer.isBuffer(value);
  if (!isPlain || random() < 0.15) return pick(random, hostile);
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [key, again(one)] as const));
  if (Array.isArray(value)) {
    if (value.length === 0 || random() < 0.15) return [...(value as unknown[]), pick(random, hostile)];
    if (random() < 0.1) return value.slice(0, -1);
    const at = Math.floor(random() * value.length);
    return value.map((one, index) => (index === at ? again(one) : (one as unknown)));
  }
  const name = pick(random, [...Object.keys(value), ...names, 'other']);
  return { ...value, [name]: again((value as Record<string, unknown>)[name]) };
}

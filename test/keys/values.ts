import fc from 'fast-check';

export class PointDto {
  constructor(public members: Record<string, unknown>) {
    Object.assign(this, members);
  }
}

/** Texts full of what could be taken for something else. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom(
      ...'a1\'"%,:;=&()[]{}@#~ nul.-\n\0'.split(''),
      'é',
      'e\u0301',
      '\ud83d\ude00',
      '\ud83d',
      '\ufffd',
      '\u2028',
    ),
    maxLength: 5,
  }),
  fc.constantFrom(
    '',
    'null',
    'undefined',
    'true',
    'false',
    'NaN',
    'Infinity',
    '~',
    '~~',
    '1',
    '-0',
    '1n',
    'a,b',
    'a:1',
    '(a,b)',
    '@(a:1)',
    'Set(a)',
    'Map(a:1)',
    '%61',
    "'a'",
  ),
  fc.string({ maxLength: 8 }),
);
const scalar = fc.oneof(
  text,
  fc.integer({ min: -2, max: 12 }),
  fc.double(),
  fc.bigInt({ min: -2n, max: 12n }),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, Number.NaN, Infinity, -Infinity),
);

/** Any value that can be encoded. */
export const encodable = fc.letrec<{ value: unknown; text: string }>((tie) => ({
  text,
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 2 }).map((members) => new PointDto(members)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((members) => new Set(members)),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 4 }),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
    fc.float32Array({ maxLength: 2 }),
  ),
})).value;

/** Ways to change a value into another one that careless encodings take for the same. Each knows what it applies to. */
const CONFUSIONS: readonly ((value: unknown) => unknown)[] = [
  (value) => (['number', 'bigint', 'boolean'].includes(typeof value) ? String(value) : SAME),
  (value) => (typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : SAME),
  (value) =>
    typeof value === 'string' && value !== '' && !Number.isNaN(Number(value)) ? Number(value) : SAME,
  (value) => (typeof value === 'string' && value !== value.normalize('NFC') ? value.normalize('NFC') : SAME),
  (value) => (typeof value === 'string' && value !== value.normalize('NFD') ? value.normalize('NFD') : SAME),
  (value) => (typeof value === 'string' && wellFormed(value) !== value ? wellFormed(value) : SAME),
  (value) =>
    typeof value === 'string' && encodeURIComponentSafe(value) !== value
      ? encodeURIComponentSafe(value)
      : SAME,
  (value) => (typeof value === 'string' ? value.split(',') : SAME),
  (value) => (typeof value === 'string' && value.trim() !== value ? value.trim() : SAME),
  (value) => (value === null ? 'null' : value === undefined ? 'undefined' : SAME),
  (value) => (value === true ? 1 : value === false ? 0 : SAME),
  (value) => (value === 1 ? true : value === 0 ? false : SAME),
  (value) => (Array.isArray(value) ? joined(value) : SAME),
  (value) => (Array.isArray(value) && value.some(Array.isArray) ? value.flat() : SAME),
  (value) => (Array.isArray(value) ? [...value, undefined] : SAME),
  (value) => (Array.isArray(value) && value.length > 1 ? [value.slice(0, 1), ...value.slice(1)] : SAME),
  (value) => (Array.isArray(value) ? new Set(value) : SAME),
  (value) => (Array.isArray(value) ? { ...value } : SAME),
  (value) => (value instanceof Set ? [...value] : SAME),
  (value) => (value instanceof Map ? [...value] : SAME),
  (value) => (value instanceof Map ? new Set(value) : SAME),
  (value) => (value instanceof Map ? new Map([...value].map(([key, member]) => [[key], member])) : SAME),
  (value) => (value instanceof Date ? value.getTime() : SAME),
  (value) => (value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : SAME),
  (value) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : SAME),
  (value) => (Buffer.isBuffer(value) ? new Uint8Array(value) : SAME),
  (value) => (value instanceof Uint8Array ? [...value] : SAME),
  (value) => (value instanceof Float32Array ? new Float64Array(value) : SAME),
  (value) => (value instanceof PointDto ? { ...value } : SAME),
  (value) => (isPlain(value) ? new PointDto(value) : SAME),
  (value) => (isPlain(value) ? new Map(Object.entries(value)) : SAME),
  (value) => (isPlain(value) ? Object.entries(value) : SAME),
  (value) => (isPlain(value) ? joined(Object.entries(value)) : SAME),
  (value) => (isPlain(value) ? { ...value, 'a:1,b': 1 } : SAME),
  (value) => (isPlain(value) ? { members: value } : SAME),
  (value) => [value],
];

const SAME = Symbol('does not apply');

/** A different value, made from the given one by confusing one of its parts, chosen by the numbers. */
export function confuse(value: unknown, choices: readonly number[]): unknown {
  const [choice = 0, ...deeper] = choices;
  if (deeper.length > 0 && choice % 3 !== 0) {
    if (Array.isArray(value) && value.length > 0) {
      const index = choice % value.length;
      return value.map((member, at) => (at === index ? confuse(member, deeper) : member));
    }
    if (isPlain(value) && Object.keys(value).length > 0) {
      const name = Object.keys(value)[choice % Object.keys(value).length]!;
      return { ...value, [name]: confuse(value[name], deeper) };
    }
    if (value instanceof Map && value.size > 0) {
      const index = choice % value.size;
      return new Map(
        [...value].map(([key, member], at) =>
          at === index ? [key, confuse(member, deeper)] : [key, member],
        ),
      );
    }
  }
  const applicable = CONFUSIONS.map((change) => change(value)).filter((changed) => changed !== SAME);
  return applicable[choice % applicable.length];
}

/** The same input in another form: members in another order, zeros with a sign, absent members written out. */
export function disguise(value: unknown): unknown {
  if (value === 0) return Object.is(value, -0) ? 0 : -0;
  if (Array.isArray(value)) return value.map(disguise);
  if (value instanceof Map)
    return new Map([...value].reverse().map(([key, member]) => [disguise(key), disguise(member)]));
  if (value instanceof Set) return new Set([...value].reverse().map(disguise));
  if (value instanceof PointDto) return Object.assign(new PointDto({}), disguiseMembers(value));
  return isPlain(value) ? disguiseMembers(value) : value;
}

/** Equal by the promises of keys: absent members and the sign of zero do not count. */
export function plainForm(value: unknown): unknown {
  if (value === 0) return 0;
  if (Array.isArray(value)) return value.map(plainForm);
  if (value instanceof Map)
    return new Map([...value].map(([key, member]) => [plainForm(key), plainForm(member)]));
  if (value instanceof Set) return new Set([...value].map(plainForm));
  if (value instanceof PointDto) return Object.assign(Object.create(PointDto.prototype), plainMembers(value));
  return isPlain(value) ? plainMembers(value) : value;
}

function disguiseMembers(value: object): object {
  const members = Object.entries(value).reverse();
  const absent = Object.hasOwn(value, 'absent') ? [] : [['absent', undefined]];
  return define({}, [...absent, ...members.map(([name, member]) => [name, disguise(member)])]);
}

function plainMembers(value: object): object {
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return define(
    {},
    members.map(([name, member]) => [name, plainForm(member)]),
  );
}

/** `__proto__` is a name like any other here. */
function define(target: object, entries: readonly (readonly unknown[])[]): object {
  for (const [name, value] of entries) {
    Object.defineProperty(target, name as string, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return target;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function encodeURIComponentSafe(text: string): string {
  return encodeURIComponent(wellFormed(text));
}

/** As UTF-8 has it: lone surrogates replaced. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** A list as a careless key has it. */
function joined(list: readonly unknown[]): unknown {
  try {
    return list.join(',');
  } catch {
    return SAME; // members without a prototype have no text
  }
}

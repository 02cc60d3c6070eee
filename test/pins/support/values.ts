import { inspect } from 'node:util';

const holed = [1, 2, 3];
delete holed[1];

/** Arguments whose keys are pinned. */
export const ARGUMENTS: readonly (readonly unknown[])[] = [
  [],
  [undefined],
  [undefined, 1],
  [null],
  [true],
  [false],
  [0],
  [-0],
  [1],
  [-1.5],
  [1e21],
  [NaN],
  [Infinity],
  [10n],
  [''],
  ['a'],
  ['1'],
  ['true'],
  ['null'],
  ['~'],
  ['a,b'],
  ['a', 'b'],
  [`it's "quoted" \\ and 100% & = ; : ( )`],
  ['line\nbreak\ttab\0zero'],
  ['caf\u00e9'],
  ['cafe\u0301'],
  ['日本語 😀'],
  ['lone \ud800 surrogate'],
  [new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6))],
  [new Date(NaN)],
  [Buffer.from('bytes')],
  [new Uint8Array([0, 127, 255])],
  [new Float64Array([0.5, -1])],
  [[]],
  [[1, 'a', [null, undefined]]],
  [holed],
  [{}],
  [{ b: 2, a: { 'c d': [1], e: undefined } }],
  [Object.assign(Object.create(null) as object, { a: 1 })],
  [
    new Map<unknown, unknown>([
      ['a', 1],
      [{ b: 2 }, [3]],
    ]),
  ],
  [new Set([2, 'b', 1])],
  [/a+/gi],
  [new URL('https://example.com/a?b=c')],
  [Symbol('s')],
  [() => 1],
  ['x'.repeat(249)],
  ['x'.repeat(251)],
  ['é'.repeat(251)],
];

/** Values of one partition field, whose tags fold spellings of one value. */
export const PARTITIONS: readonly unknown[] = [
  42,
  '42',
  ' 042 ',
  '4.20',
  4.2,
  -1,
  10n,
  true,
  'true',
  'yes',
  null,
  undefined,
  '',
  'Hello World',
  'HÉLLO',
  'straße',
  'İstanbul',
  'ﬁn',
  '6F9619FF-8B86-D011-B42D-00C04FC964FF',
  '2026-01-02',
  '2026-01-02T03:04:05.000Z',
  new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
  '09:05',
  'a&b=c:d',
  [1, '2', 'B'],
  new Set(['x', 'y']),
  { id: 1 },
  'long '.repeat(60),
];

/** `method(1, 'a')`, on one line. */
export function title(method: string, args: readonly unknown[]): string {
  return `${method}(${args.map(shown).join(', ')})`;
}

function shown(arg: unknown): string {
  // Its members differ from one Node to another.
  if (arg instanceof URL) return `new URL('${arg.href}')`;
  return (
    inspect(arg, { depth: 5, breakLength: Infinity, maxStringLength: 60 })
      // Else nobody sees which spelling it is.
      .replace(/\p{M}/gu, (mark) => `\\u${mark.codePointAt(0)!.toString(16).padStart(4, '0')}`)
  );
}

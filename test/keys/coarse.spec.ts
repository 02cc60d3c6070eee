import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { coarseValue, UnencodableError } from '../../lib/keys/index.js';
import { always } from './support.js';
import { encodable } from './values.js';

describe('coarse values: every spelling of one thing is one tag', () => {
  it.each<[string, unknown[]]>([
    [
      'an integer',
      [
        42,
        '042',
        ' 42 ',
        42n,
        '42.0',
        '4.2e1',
        '+42',
        '42.',
        '420e-1',
        '0x2A',
        '\uff14\uff12',
        '4.2E+01',
        '\u200b42',
      ],
    ],
    ['a big integer', [2n ** 53n + 1n, '9007199254740993', '9007199254740993.0', '+09007199254740993']],
    ['a huge integer', [10n ** 40n, `1${'0'.repeat(40)}`, '1e40', 1e40]],
    ['a decimal', [1.5, '1.50', '01.5', '15e-1', '+1.5']],
    ['a small decimal', [0.001, '.001', '1e-3', '0.0010']],
    ['a tiny decimal', [1e-40, '1e-40', '0.1e-39', `0.${'0'.repeat(39)}1`]],
    ['a negative number', [-7, '-7', '-07.0', -7n]],
    ['zero and false', [0, -0, '0', '-0', '0.00', '0e999999999999', false, 'false', 'FALSE']],
    ['one and true', [1, '1', '01', true, 'true', 'True', 1n]],
    ['null and undefined', [null, undefined]],
    ['a text in any case', ['STRASSE', 'stra\u00dfe', 'Stra\u1e9ee', ' strasse\t']],
    ['a text with and without marks', ['caf\u00e9', 'cafe\u0301', 'CAFE', 'Cafe\u200d']],
    ['a name in any case', ['\u0130stanbul', 'istanbul', 'ISTANBUL', '\u0131stanbul']],
    ['a Greek word', ['\u039f\u0394\u039f\u03a3', '\u03bf\u03b4\u03bf\u03c2', '\u03bf\u03b4\u03bf\u03c3']],
    ['a word with a ligature', ['\ufb01le', 'file', '\ufb01LE']],
    ['letters that databases compare as plain ones', ['S\u00f8ren', 'soren', 'SOREN']],
    ['a width', ['\uff21\uff22', 'ab', 'AB']],
    [
      'a UUID',
      [
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
        '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}',
        'a0eebc999c0b4ef8bb6d6bb9bd380a11',
        Buffer.from('a0eebc999c0b4ef8bb6d6bb9bd380a11', 'hex'),
      ],
    ],
    ['a UUID of digits', ['00000000-0000-0000-0000-000000000001', '00000000000000000000000000000001']],
    [
      'a day',
      [
        new Date('2024-01-15'),
        '2024-01-15',
        '2024-01-15T00:00:00.000Z',
        '2024-01-15t00:00z',
        '2024-01-15 00:00:00+00',
      ],
    ],
    [
      'a moment',
      [
        new Date('2024-01-15T10:30:00Z'),
        '2024-01-15T10:30:00Z',
        '2024-01-15T12:30:00.000+02:00',
        '2024-01-15 12:30:00+0200',
        '2024-01-15T10:30:00.000123Z',
      ],
    ],
    ['a local moment', [new Date(2024, 0, 15, 10, 30), '2024-01-15T10:30:00', '2024-01-15 10:30']],
    ['bytes', [Buffer.from([0xab, 0xcd]), Uint8Array.from([0xab, 0xcd]), 'ABCD', 'abcd']],
    [
      'a list',
      [
        [1, 'A', null],
        ['1', 'a', undefined],
        [1n, ' a', undefined],
      ],
    ],
    [
      'an object',
      [
        { id: 1, at: null },
        { id: '1' },
        Object.assign(Object.create({ constructor: class Row {} }), { id: 1n }),
      ],
    ],
    ['a set of one', [new Set(['a', 'A']), new Set(['a']), 'a']],
    ['a set', [new Set(['a', 'b', 'B']), new Set(['B', 'A'])]],
  ])('%s', (_, spellings) => {
    expect(new Set(spellings.map((spelling) => coarseValue(spelling))).size).toBe(1);
  });

  it.each<[string, unknown, unknown]>([
    ['2^53 and 2^53 + 1', '9007199254740992', '9007199254740993'],
    ['2^53 and 2^53 + 1 as bigints', 2n ** 53n, 2n ** 53n + 1n],
    ['null and "null"', null, 'null'],
    ['null and ""', null, ''],
    ['null and its token', null, '~'],
    ['null and "undefined"', undefined, 'undefined'],
    ['a list and its joined text', ['a', 'b'], 'a,b'],
    ['lists of other nesting', [['a'], 'b'], [['a', 'b']]],
    ['lists with a separator moved', ['a,b', 'c'], ['a', 'b,c']],
    ['objects of other members', { a: 1 }, { b: 1 }],
    ['1.5 and 15', 1.5, 15],
    ['1e10 and 1e11', '1e10', '1e11'],
    ['-1 and 1', -1, 1],
    ['exponents that no number holds', '1e99999999999999999998', '1e99999999999999999999'],
    ['two days', '2024-01-15', '2024-01-16'],
    ['two long texts', 'x'.repeat(1000), `${'x'.repeat(999)}y`],
    ['a word and another', 'alice', 'bob'],
    ['a text with an escape and what it stands for', '%26', '&'],
  ])('%s stay apart', (_, one, other) => {
    expect(coarseValue(one)).not.toBe(coarseValue(other));
  });

  it('writes long texts as a hash of fixed length', () => {
    expect(coarseValue('x'.repeat(65))).toMatch(/^#[\w-]{43}$/);
    expect(coarseValue('x'.repeat(64))).toBe('x'.repeat(64));
  });

  it('sorts lists only where that is asked for', () => {
    expect(coarseValue([2, 1], true)).toBe(coarseValue(['1', '2'], true));
    expect(coarseValue([2, 1])).not.toBe(coarseValue([1, 2]));
  });

  it('is not slowed down by hostile numbers', () => {
    const start = performance.now();
    for (const text of [
      '9'.repeat(200_000) + 'x',
      '1e' + '0'.repeat(200_000) + 'x',
      `1e${'9'.repeat(200_000)}`,
      `0x${'f'.repeat(200_000)}`,
    ]) {
      coarseValue(text);
    }
    coarseValue('1e999999999');
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('refuses what is not data', () => {
    expect(() => coarseValue({ a: () => 1 })).toThrow(UnencodableError);
  });

  it('for any text: case, form and space around it make no difference', () => {
    const text = fc.string({ unit: 'binary', maxLength: 12 });
    always<[string]>('spellings of one text are one tag', [text], (value) => {
      const expected = coarseValue(value);
      // A few capital letters with marks have no lower-case letter that keeps the mark apart: upper case comes first.
      for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const)
        expect(coarseValue(value.normalize(form))).toBe(expected);
      expect(coarseValue(` ${value}\n`)).toBe(expected);
    });
    always<[string]>(
      'case is one tag',
      [
        fc.string({
          unit: fc.constantFrom(
            ...'aZ\u00df\u1e9e\u0130\u0131\u00e9\u00c9\u03a3\u03c2\u01c5\ufb03\u212a10. ',
          ),
          maxLength: 8,
        }),
      ],
      (value) => {
        expect(coarseValue(value.toUpperCase())).toBe(coarseValue(value));
        expect(coarseValue(value.toLowerCase())).toBe(coarseValue(value));
      },
    );
  });

  it('for any integer and decimal: every spelling is one tag, no two numbers are', () => {
    const digits = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
    always<[bigint, number, number]>('numbers', [digits, fc.nat(9), fc.nat(9)], (value, zeros, shift) => {
      const sign = value < 0n ? '-' : '';
      const text = String(value).replace('-', '');
      const expected = coarseValue(value);
      expect(coarseValue(`${sign}${'0'.repeat(zeros)}${text}.${'0'.repeat(zeros)}`)).toBe(expected);
      expect(coarseValue(`${value}${'0'.repeat(shift)}e-${shift}`)).toBe(expected);
      expect(coarseValue(value + 1n)).not.toBe(expected);
    });
  });

  it('for any value: the tag is one printable token without separators', () => {
    always<[unknown]>('tags are tokens', [encodable], (value) => {
      expect(coarseValue(value)).toMatch(/^[!-~]+$/);
      expect(coarseValue(value)).not.toMatch(/[{}*?[\]\\"^;&=]/);
    });
  });
});

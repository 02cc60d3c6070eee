import { hit, miss, validated, answers, type Case } from '../support/steps.js';

const FRESH = 'Cache-Control: max-age=60';
const STALE = 'Cache-Control: max-age=0';
const E = 'ETag: "a"';
const LM = 'Last-Modified: {-1000}';
const ask = (...lines: string[]): { ask: string[] } => ({ ask: lines });
const not = (...lines: string[]): { ask: string[]; status: number } => ({ ask: lines, status: 304 });

/** RFC 9111 §4.3.2, RFC 9110 §13: what clients ask. */
export const conditions: Case[] = [
  ['4.3.2', 'a fresh response answers If-None-Match', miss([FRESH, E]), hit(not('If-None-Match: "a"'))],
  ['4.3.2', 'by weak comparison', miss([FRESH, E]), hit(not('If-None-Match: W/"a"'))],
  ['4.3.2', 'a weak ETag by weak comparison', miss([FRESH, 'ETag: W/"a"']), hit(not('If-None-Match: "a"'))],
  ['4.3.2', 'one of a list', miss([FRESH, E]), hit(not('If-None-Match: "x", W/"y" ,"a"'))],
  ['4.3.2', 'one of several lines', miss([FRESH, E]), hit(not('If-None-Match: "x"', 'If-None-Match: "a"'))],
  ['4.3.2', 'an ETag with a comma', miss([FRESH, 'ETag: "a,b"']), hit(not('If-None-Match: "x", "a,b"'))],
  ['4.3.2', 'a part of an ETag is none', miss([FRESH, 'ETag: "a,b"']), hit(ask('If-None-Match: "a", "b"'))],
  ['4.3.2', 'a star', miss([FRESH, E]), hit(not('If-None-Match: *'))],
  ['4.3.2', 'a star where there is no ETag', miss([FRESH]), hit(not('If-None-Match: *'))],
  ['4.3.2', 'none of a list', miss([FRESH, E]), hit(ask('If-None-Match: "x", "y"'))],
  ['4.3.2', 'an ETag without quotes', miss([FRESH, E]), hit(ask('If-None-Match: a'))],
  ['4.3.2', 'in its case', miss([FRESH, E]), hit(ask('If-None-Match: "A"'))],
  ['4.3.2', 'If-Modified-Since of the same time', miss([FRESH, LM]), hit(not('If-Modified-Since: {-1000}'))],
  ['4.3.2', 'If-Modified-Since of a later time', miss([FRESH, LM]), hit(not('If-Modified-Since: {-10}'))],
  [
    '4.3.2',
    'If-Modified-Since of an earlier time',
    miss([FRESH, LM]),
    hit(ask('If-Modified-Since: {-2000}')),
  ],
  [
    '4.3.2',
    'If-Modified-Since in the format of RFC 850',
    miss([FRESH, LM]),
    hit(not('If-Modified-Since: {850:-10}')),
  ],
  [
    '4.3.2',
    'If-Modified-Since in the format of asctime',
    miss([FRESH, LM]),
    hit(not('If-Modified-Since: {asc:-10}')),
  ],
  ['4.3.2', 'an If-Modified-Since that is no date', miss([FRESH, LM]), hit(ask('If-Modified-Since: now'))],
  [
    '4.3.2',
    'If-Modified-Since by Date, where there is no Last-Modified',
    miss([FRESH, 'Date: {-20}']),
    hit(not('If-Modified-Since: {-10}')),
  ],
  [
    '4.3.2',
    'If-Modified-Since before Date, where there is no Last-Modified',
    miss([FRESH, 'Date: {-20}']),
    hit(ask('If-Modified-Since: {-30}')),
  ],
  [
    '13.2.2',
    'If-None-Match goes before If-Modified-Since: no match',
    miss([FRESH, E, LM]),
    hit(ask('If-None-Match: "x"', 'If-Modified-Since: {0}')),
  ],
  [
    '13.2.2',
    'If-None-Match goes before If-Modified-Since: a match',
    miss([FRESH, E, LM]),
    hit(not('If-None-Match: "a"', 'If-Modified-Since: {-2000}')),
  ],
  [
    '13.2.1',
    'conditions are for 200 alone',
    answers(404, [FRESH, E]),
    hit({ ...ask('If-None-Match: "a"'), status: 404 }),
  ],
  [
    '15.4.5',
    'a 304 has what the 200 would have',
    miss([FRESH, E, LM, 'Vary: Foo', 'Expires: {60}', 'Content-Location: /x', 'Content-Type: text/plain']),
    hit({
      ...not('If-None-Match: "a"'),
      lines: [
        E,
        FRESH,
        'Vary: Foo',
        'Expires: *',
        'Content-Location: /x',
        'Date: *',
        '!Content-Type',
        '!Content-Length',
      ],
    }),
  ],
  ['4.3.2', 'an answer just loaded is compared too', miss([FRESH, E], not('If-None-Match: "a"')), hit()],
  [
    '4.3.2',
    'an answer just validated is compared too',
    miss([STALE, E]),
    validated([], { ...not('If-None-Match: "a"'), seen: ['If-None-Match: "a"'] }),
  ],
  [
    '4.3.2',
    'an answer just loaded that is not stored is compared too',
    miss(['Cache-Control: no-store', E], not('If-None-Match: "a"')),
    miss(),
  ],
  [
    '13.1.1',
    'If-Match is left to the origin',
    miss([FRESH, E]),
    answers(412, [], { ...ask('If-Match: "b"'), seen: ['If-Match: "b"'] }),
    hit({ body: 1 }),
  ],
  [
    '13.1.4',
    'If-Unmodified-Since is left to the origin',
    miss([FRESH, LM]),
    answers(412, [], ask('If-Unmodified-Since: {-2000}')),
    hit({ body: 1 }),
  ],
  ['4', 'no ETag is made up', miss([FRESH], { lines: ['!ETag'] }), hit({ lines: ['!ETag', FRESH] })],
];

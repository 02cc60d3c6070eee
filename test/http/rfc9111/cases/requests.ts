import { answers, hit, instead, miss, validated, type Case } from '../support/steps.js';

const FRESH = 'Cache-Control: max-age=60';
const E = 'ETag: "a"';
const ask = (...lines: string[]): { ask: string[] } => ({ ask: lines });

/** RFC 9111 §5.2.1: what a request may demand. */
export const requests: Case[] = [
  ['5.2.1.4', 'no-cache asks though fresh', miss([FRESH, E]), validated([], ask('Cache-Control: no-cache'))],
  [
    '5.2.1.4',
    'no-cache without a validator loads',
    miss([FRESH]),
    miss([FRESH], ask('Cache-Control: no-cache')),
    hit({ body: 2 }),
  ],
  ['5.2.1.4', 'no-cache in any case', miss([FRESH]), miss([], ask('Cache-Control: No-Cache'))],
  ['5.4', 'Pragma: no-cache alone asks', miss([FRESH]), miss([], ask('Pragma: no-cache'))],
  [
    '5.4',
    'Pragma beside Cache-Control is ignored',
    miss([FRESH]),
    hit(ask('Pragma: no-cache', 'Cache-Control: max-stale')),
  ],
  ['5.4', 'another Pragma says nothing', miss([FRESH]), hit(ask('Pragma: foo'))],
  ['5.2.1.5', 'no-store is not stored', miss([FRESH], ask('Cache-Control: no-store')), miss()],
  [
    '5.2.1.5',
    'no-store leaves what is stored',
    miss([FRESH]),
    miss([FRESH], ask('Cache-Control: no-store')),
    hit({ body: 1 }),
  ],
  ['5.2.1.1', 'max-age=0 asks', miss([FRESH, E]), validated([], ask('Cache-Control: max-age=0'))],
  [
    '5.2.1.1',
    'max-age below the age asks',
    miss(['Cache-Control: max-age=600', 'Age: 100']),
    miss([], ask('Cache-Control: max-age=50')),
  ],
  [
    '5.2.1.1',
    'max-age above the age is satisfied',
    miss(['Cache-Control: max-age=600', 'Age: 100']),
    hit(ask('Cache-Control: max-age=150')),
  ],
  [
    '5.2.1.1',
    'max-age by Date',
    miss(['Cache-Control: max-age=600', 'Date: {-100}']),
    miss([], ask('Cache-Control: max-age=50')),
  ],
  ['5.2.1.1', 'a malformed max-age asks', miss([FRESH]), miss([], ask('Cache-Control: max-age=x'))],
  ['5.2.1.3', 'min-fresh that remains', miss([FRESH]), hit(ask('Cache-Control: min-fresh=30'))],
  ['5.2.1.3', 'min-fresh that does not remain', miss([FRESH]), miss([], ask('Cache-Control: min-fresh=90'))],
  ['5.2.1.3', 'min-fresh by Age', miss([FRESH, 'Age: 50']), miss([], ask('Cache-Control: min-fresh=20'))],
  [
    '5.2.1.3',
    'min-fresh with what is stale',
    miss([FRESH, 'Age: 70']),
    miss([], ask('Cache-Control: min-fresh=1, max-stale')),
  ],
  [
    '5.2.1.2',
    'max-stale takes what is stale',
    miss([FRESH, 'Age: 90']),
    hit(ask('Cache-Control: max-stale')),
  ],
  [
    '5.2.1.2',
    'max-stale as stale as it is',
    miss([FRESH, 'Age: 90']),
    hit({ ...ask('Cache-Control: max-stale=100'), age: [90, 92] }),
  ],
  [
    '5.2.1.2',
    'max-stale less than it is',
    miss([FRESH, 'Age: 90']),
    miss([], ask('Cache-Control: max-stale=10')),
  ],
  [
    '5.2.1.2',
    'a malformed max-stale allows nothing',
    miss([FRESH, 'Age: 90']),
    miss([], ask('Cache-Control: max-stale=x')),
  ],
  [
    '5.2.1.2',
    'max-stale=0 allows nothing',
    miss([FRESH, 'Age: 90']),
    miss([], ask('Cache-Control: max-stale=0')),
  ],
  [
    '5.2.1.2',
    'max-stale with max-age',
    miss([FRESH, 'Age: 90']),
    miss([], ask('Cache-Control: max-stale, max-age=50')),
  ],
  ['5.2.1.2', 'nothing stale without max-stale', miss([FRESH, 'Age: 90']), miss()],
  [
    '5.2.1.7',
    'only-if-cached with nothing',
    hit({ ...ask('Cache-Control: only-if-cached'), status: 504, body: 0 }),
  ],
  ['5.2.1.7', 'only-if-cached with what is fresh', miss([FRESH]), hit(ask('Cache-Control: only-if-cached'))],
  [
    '5.2.1.7',
    'only-if-cached with what is stale',
    miss([FRESH, 'Age: 90']),
    hit({ ...ask('Cache-Control: only-if-cached'), status: 504, body: 0 }),
  ],
  [
    '5.2.1.7',
    'only-if-cached with what may be stale',
    miss([FRESH, 'Age: 90']),
    hit(ask('Cache-Control: only-if-cached, max-stale')),
  ],
  [
    '5.2.1.7',
    'only-if-cached with no-cache',
    miss([FRESH]),
    hit({ ...ask('Cache-Control: only-if-cached, no-cache'), status: 504, body: 0 }),
  ],
  [
    '5.2.1.7',
    'only-if-cached of HEAD',
    hit({ ...ask('Cache-Control: only-if-cached'), method: 'HEAD', status: 504 }),
  ],
  [
    '5.2',
    'directives of a request reach the origin',
    miss([], { ...ask('Cache-Control: no-cache'), seen: ['Cache-Control: no-cache'] }),
  ],

  ['3', 'two methods are two keys', miss([FRESH]), miss([], { method: 'OPTIONS' }), hit({ body: 1 })],
  ['3', 'POST is not stored', miss([FRESH], { method: 'POST' }), miss()],
  [
    '2',
    'two queries are two keys',
    miss([FRESH], { at: '?a=1' }),
    miss([FRESH], { at: '?a=2' }),
    hit({ at: '?a=1', body: 1 }),
  ],
  [
    '2',
    'the order of a query is part of the key',
    miss([FRESH], { at: '?a=1&b=2' }),
    miss([FRESH], { at: '?b=2&a=1' }),
  ],
  ['2', 'an empty query is not none', miss([FRESH]), miss([], { at: '?' })],
  [
    '2',
    'the encoding of a path is part of the key',
    miss([FRESH], { at: '/%61' }),
    miss([FRESH], { at: '/a' }),
  ],
  [
    '2',
    'two hosts are two keys',
    miss([FRESH], ask('Host: one.test')),
    miss([FRESH], ask('Host: two.test')),
    hit({ ...ask('Host: one.test'), body: 1 }),
  ],
  [
    '2',
    'a path that cannot be decoded is one like others',
    miss([FRESH], { at: '/%zz' }),
    hit({ at: '/%zz' }),
  ],
  ['2', 'two slashes are two', miss([FRESH], { at: '//x' }), miss([FRESH], { at: '/x' })],

  ...[201, 204, 299, 302, 303, 307, 400, 403, 404, 410, 499, 500, 502, 503, 504, 599].map((status): Case => [
    '3',
    `${status} with a lifetime is stored`,
    answers(status, [FRESH]),
    hit({ status }),
  ]),
  ['3', '206 is never stored', answers(206, [FRESH, 'Content-Range: bytes 0-3/10']), miss()],
  ['3', '304 is never stored', answers(304, [FRESH, E]), miss()],
  [
    '3',
    'an answer that breaks off is not stored',
    instead(
      { breaks: true },
      {
        status: 502,
        text: JSON.stringify({ message: 'The origin did not answer', error: 'Bad Gateway', statusCode: 502 }),
      },
    ),
    miss(),
  ],
  [
    '7.3',
    'Set-Cookie is not stored',
    miss([FRESH, 'Set-Cookie: a=1'], { lines: ['Set-Cookie: a=1'] }),
    miss(),
  ],
];

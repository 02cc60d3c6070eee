import { answers, hit, instead, miss, validated, type Case } from '../support/steps.js';

const FRESH = 'Cache-Control: max-age=60';
const STALE = 'Cache-Control: max-age=0';
const E = 'ETag: "a"';
const HEAD = { method: 'HEAD' };
const POST = { method: 'POST' };
const FIVE = 'Content-Length: 5';
const five = (lines: string[] = []) => instead({ lines: [FRESH, E, FIVE, ...lines], body: '12345' }, {});

/** RFC 9110 §9.3.2, RFC 9111 §4.3.5: HEAD. */
export const heads: Case[] = [
  ['9.3.2', 'HEAD is answered from GET', miss([FRESH, 'X-One: 1']), hit({ ...HEAD, lines: ['X-One: 1'] })],
  ['9.3.2', 'with the length of its body', five(), hit({ ...HEAD, lines: [FIVE] })],
  ['9.3.2', 'GET is not answered from HEAD', miss([FRESH], HEAD), miss()],
  ['9.3.2', 'HEAD is not answered from HEAD', miss([FRESH], HEAD), miss([], HEAD)],
  [
    '4.3.2',
    'HEAD with a condition',
    miss([FRESH, E]),
    hit({ ...HEAD, ask: ['If-None-Match: "a"'], status: 304 }),
  ],
  [
    '4.3.5',
    'HEAD freshens what is stored',
    five(),
    instead({ lines: [FRESH, E, FIVE, 'X-One: 2'] }, { ...HEAD, ask: ['Cache-Control: no-cache'] }),
    hit({ lines: ['X-One: 2'] }),
  ],
  ['4.3.5', 'HEAD makes what is stale fresh', miss([STALE, E]), miss([FRESH, E], HEAD), hit()],
  ['4.3.5', 'HEAD without a validator freshens', miss([STALE]), miss([STALE], HEAD), miss()],
  [
    '4.3.5',
    'another ETag makes what is stored stale',
    five(),
    miss(['ETag: "b"'], { ...HEAD, ask: ['Cache-Control: no-cache'] }),
    validated(),
  ],
  [
    '4.3.5',
    'another Last-Modified makes it stale',
    miss([FRESH, 'Last-Modified: {-100}']),
    miss(['Last-Modified: {-50}'], { ...HEAD, ask: ['Cache-Control: no-cache'] }),
    validated(),
  ],
  [
    '4.3.5',
    'another length makes it stale',
    five(),
    miss(['Content-Length: 6'], { ...HEAD, ask: ['Cache-Control: no-cache'] }),
    validated(),
  ],
  [
    '4.3.5',
    'an error to HEAD changes nothing',
    miss([FRESH]),
    answers(503, [], { ...HEAD, ask: ['Cache-Control: no-cache'] }),
    hit(),
  ],
];

const unsafe = ['POST', 'PUT', 'DELETE', 'PATCH', 'MOVE', 'PROPPATCH'];
const FIRST = hit({ body: 1 });

/** RFC 9111 §4.4: what unsafe methods invalidate. */
export const invalidation: Case[] = [
  ...unsafe.map((method): Case => [
    '4.4',
    `${method} invalidates its URI`,
    miss([FRESH]),
    miss([], { method }),
    miss(),
  ]),
  ...['OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'REPORT'].map((method): Case => [
    '4.4',
    `${method} invalidates nothing`,
    miss([FRESH]),
    miss([], { method }),
    FIRST,
  ]),
  ...[201, 204, 301, 302, 303].map((status): Case => [
    '4.4',
    `a ${status} invalidates`,
    miss([FRESH]),
    answers(status, [], POST),
    miss(),
  ]),
  ...[400, 404, 409, 412, 500, 503].map((status): Case => [
    '4.4',
    `a ${status} invalidates nothing`,
    miss([FRESH]),
    answers(status, [], POST),
    FIRST,
  ]),
  ['4.4', 'another URI stays', miss([FRESH], { at: '/x' }), miss([], POST), hit({ at: '/x', body: 1 })],
  [
    '4.4',
    'another query stays',
    miss([FRESH], { at: '?a' }),
    miss([], { ...POST, at: '?b' }),
    hit({ at: '?a', body: 1 }),
  ],
  [
    '4.4',
    'all variants go',
    miss([FRESH, 'Vary: Foo'], { ask: ['Foo: 1'] }),
    miss([FRESH, 'Vary: Foo'], { ask: ['Foo: 2'] }),
    miss([], POST),
    miss([], { ask: ['Foo: 1'] }),
    miss([], { ask: ['Foo: 2'] }),
  ],
  [
    '4.4',
    'Location, relative',
    miss([FRESH], { at: '/new' }),
    answers(201, ['Location: ./new'], { ...POST, at: '/' }),
    miss([], { at: '/new' }),
  ],
  [
    '4.4',
    'Content-Location, relative',
    miss([FRESH], { at: '/new' }),
    miss(['Content-Location: new'], { ...POST, at: '/' }),
    miss([], { at: '/new' }),
  ],
  [
    '4.4',
    'Location with a query',
    miss([FRESH], { at: '/new?a=1' }),
    answers(201, ['Location: new?a=1'], { ...POST, at: '/' }),
    miss([], { at: '/new?a=1' }),
  ],
  [
    '4.4',
    'Location of the same host',
    miss([FRESH], { at: '/other', ask: ['Host: a.test'] }),
    answers(201, ['Location: http://a.test{path}/other'], { ...POST, ask: ['Host: a.test'] }),
    miss([], { at: '/other', ask: ['Host: a.test'] }),
  ],
  [
    '4.4',
    'Location of another host',
    miss([FRESH], { at: '/other', ask: ['Host: a.test'] }),
    answers(201, ['Location: http://b.test{path}/other'], { ...POST, ask: ['Host: a.test'] }),
    hit({ at: '/other', ask: ['Host: a.test'], body: 1 }),
  ],
  [
    '4.4',
    'Location of an error',
    miss([FRESH], { at: '/new' }),
    answers(500, ['Location: ./new'], { ...POST, at: '/' }),
    hit({ at: '/new', body: 1 }),
  ],
  [
    '4.4',
    'Location of a GET invalidates nothing',
    miss([FRESH], { at: '/new' }),
    answers(302, ['Location: ./new'], { at: '/' }),
    hit({ at: '/new', body: 1 }),
  ],
  ['9.3.3', 'POST reaches the origin with its body', miss([], { ...POST, seen: ['!If-None-Match'] })],
];

const TEN = { lines: [FRESH, E, 'Last-Modified: {-1000}', 'Date: {0}'], body: '0123456789' };
const ten = instead(TEN, {});
const range = (value: string, ...more: string[]) => ({ ask: [`Range: ${value}`, ...more] });
const part = (value: string, text: string, content: string): Case => [
  '14.2',
  `${value} of ten`,
  ten,
  hit({
    ...range(value),
    status: 206,
    text,
    lines: [`Content-Range: bytes ${content}/10`, `Content-Length: ${text.length}`],
  }),
];
const whole = (title: string, value: string, ...more: string[]): Case => [
  '14.2',
  title,
  ten,
  hit(range(value, ...more)),
];

/** RFC 9110 §14, RFC 9111 §3.3, §3.4. */
export const ranges: Case[] = [
  part('bytes=0-3', '0123', '0-3'),
  part('bytes=3-', '3456789', '3-9'),
  part('bytes=-2', '89', '8-9'),
  part('bytes=-20', '0123456789', '0-9'),
  part('bytes=8-20', '89', '8-9'),
  part('bytes=9-9', '9', '9-9'),
  [
    '14.2',
    'a part that there is not',
    ten,
    hit({ ...range('bytes=10-'), status: 416, body: 0, lines: ['Content-Range: bytes */10'] }),
  ],
  ['14.2', 'the last no bytes', ten, hit({ ...range('bytes=-0'), status: 416, body: 0 })],
  whole('several ranges are answered in full', 'bytes=0-1,3-4'),
  whole('another unit is ignored', 'lines=0-1'),
  whole('a range that ends before it begins is ignored', 'bytes=5-2'),
  whole('a range that is none is ignored', 'bytes=a-b'),
  whole('If-Range of another ETag', 'bytes=0-3', 'If-Range: "b"'),
  whole('If-Range with a weak ETag', 'bytes=0-3', 'If-Range: W/"a"'),
  whole('If-Range of another date', 'bytes=0-3', 'If-Range: {-900}'),
  [
    '13.1.5',
    'If-Range of the ETag',
    ten,
    hit({ ...range('bytes=0-3', 'If-Range: "a"'), status: 206, text: '0123' }),
  ],
  [
    '13.1.5',
    'If-Range of Last-Modified',
    ten,
    hit({ ...range('bytes=0-3', 'If-Range: {-1000}'), status: 206, text: '0123' }),
  ],
  [
    '13.2.2',
    'If-None-Match goes before Range',
    ten,
    hit({ ...range('bytes=0-3', 'If-None-Match: "a"'), status: 304 }),
  ],
  [
    '14.2',
    'HEAD has no ranges',
    ten,
    hit({ ...range('bytes=0-3'), method: 'HEAD', lines: ['Content-Length: 10', '!Content-Range'] }),
  ],
  [
    '3.3',
    'a part of what is not stored comes from the origin',
    answers(206, ['Content-Range: bytes 0-3/10'], { ...range('bytes=0-3'), seen: ['Range: bytes=0-3'] }),
    miss(),
  ],
  ['3.3', 'what comes to a Range request is not stored', miss([FRESH], range('bytes=0-3')), miss()],
  [
    '3.3',
    'a part of what is stale comes from the origin',
    miss([STALE, E]),
    answers(206, ['Content-Range: bytes 0-3/10'], { ...range('bytes=0-3'), seen: ['!If-None-Match'] }),
  ],
];

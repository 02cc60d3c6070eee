import { answers, hit, instead, miss, validated, type Case, type Step } from '../support/steps.js';

const FRESH = 'Cache-Control: max-age=60';
const E = 'ETag: "a"';
const ask = (...lines: string[]): { ask: string[] } => ({ ask: lines });

const error = (status: number, options: Parameters<typeof instead>[1]): Step => instead({ status }, options);
const SIE = 'Cache-Control: max-age=0, stale-if-error=60';
const lost = { breaks: true };

/** RFC 9111 §4.2.4 and RFC 5861: when a stale response is served. */
export const staleness: Case[] = [
  ...[500, 502, 503, 504].map((status): Case => [
    '5861 4',
    `stale-if-error: instead of ${status}`,
    miss([SIE]),
    error(status, { body: 1, age: [0, 2] }),
  ]),
  [
    '5861 4',
    'stale-if-error: instead of an origin that is gone',
    miss([SIE]),
    instead(lost, { body: 1, age: [0, 2] }),
  ],
  ['5861 4', 'stale-if-error: not instead of 404', miss([SIE]), answers(404)],
  ['5861 4', 'stale-if-error: not instead of 501', miss([SIE]), answers(501)],
  [
    '5861 4',
    'stale-if-error ends',
    miss(['Cache-Control: max-age=10, stale-if-error=10', 'Age: 30']),
    answers(503),
  ],
  [
    '5861 4',
    'stale-if-error on a request',
    miss([FRESH, 'Age: 90']),
    error(503, { ...ask('Cache-Control: stale-if-error=60'), body: 1 }),
  ],
  [
    '5861 4',
    'stale-if-error on a request that ends',
    miss([FRESH, 'Age: 90']),
    answers(503, [], ask('Cache-Control: stale-if-error=10')),
  ],
  [
    '5861 4',
    'stale-if-error with a validator',
    miss([SIE, E]),
    error(503, { body: 1, seen: ['If-None-Match: "a"'] }),
  ],
  ['4.2.4', 'must-revalidate forbids it', miss([`${SIE}, must-revalidate`]), answers(503)],
  ['4.2.4', 'proxy-revalidate forbids it', miss([`${SIE}, proxy-revalidate`]), answers(503)],
  ['4.2.4', 's-maxage forbids it', miss(['Cache-Control: s-maxage=0, stale-if-error=60']), answers(503)],
  ['4.2.4', 'no-cache forbids it', miss([`${SIE}, no-cache`, E]), answers(503)],
  ['4.2.4', 'without leave nothing stale is served', miss([FRESH, 'Age: 90']), answers(503)],
  [
    '4.2.4',
    'an error leaves what is stored',
    miss([SIE, E]),
    error(503, { body: 1 }),
    validated([FRESH], { body: 1 }),
    hit({ body: 1 }),
  ],
  [
    '5861 4',
    'the error’s own headers are not sent',
    miss([SIE, 'X-One: 1']),
    instead(
      { status: 503, lines: ['X-Error: 1', 'Retry-After: 9'] },
      { body: 1, lines: ['X-One: 1', '!X-Error', '!Retry-After'] },
    ),
  ],
  [
    '5861 3',
    'stale-while-revalidate ends',
    miss(['Cache-Control: max-age=10, stale-while-revalidate=10', 'Age: 30', E]),
    validated(),
  ],
  [
    '5861 3',
    'must-revalidate forbids stale-while-revalidate',
    miss(['Cache-Control: max-age=0, stale-while-revalidate=60, must-revalidate', E]),
    validated(),
  ],
];

import { hit, miss, validated, type Case } from '../support/steps.js';

const FRESH = 'Cache-Control: max-age=60';
const E = 'ETag: "a"';
const ask = (...lines: string[]): { ask: string[] } => ({ ask: lines });

/** RFC 9111 §3.5: requests with credentials. */
export const credentials: Case[] = [
  ['3.5', 'an answer to credentials is not shared', miss([FRESH], ask('Authorization: Basic x')), miss()],
  [
    '3.5',
    'nor with other credentials',
    miss([FRESH], ask('Authorization: Basic x')),
    miss([], ask('Authorization: Basic y')),
  ],
  [
    '3.5',
    'nor with the same',
    miss([FRESH], ask('Authorization: Basic x')),
    miss([], ask('Authorization: Basic x')),
  ],
  ['3.5', 'nor with Expires', miss(['Expires: {60}'], ask('Authorization: Basic x')), miss()],
  ...['public, max-age=60', 's-maxage=60', 'must-revalidate, max-age=60'].map((value): Case => [
    '3.5',
    `${value} lets it be shared`,
    miss([`Cache-Control: ${value}`], ask('Authorization: Basic x')),
    hit(),
  ]),
  [
    '3.5',
    'proxy-revalidate does not',
    miss(['Cache-Control: proxy-revalidate, max-age=60'], ask('Authorization: Basic x')),
    miss(),
  ],
  [
    '3.5',
    'an answer to credentials leaves what others get',
    miss([FRESH]),
    miss([FRESH], ask('Authorization: x', 'Cache-Control: no-cache')),
    hit({ body: 1 }),
  ],
  [
    '3.5',
    'a 304 to credentials leaves what others get',
    miss(['Cache-Control: max-age=0', E]),
    validated([FRESH], ask('Authorization: x')),
    validated([FRESH]),
    hit(),
  ],
  ['3.5', 'what was stored for others answers credentials', miss([FRESH]), hit(ask('Authorization: x'))],
  [
    '3.5',
    'public for others does not make private shared',
    miss(['Cache-Control: public, private, max-age=60'], ask('Authorization: Basic x')),
    miss(),
  ],
  [
    '3.5',
    'credentials reach the origin',
    miss([], { ...ask('Authorization: Basic x'), seen: ['Authorization: Basic x'] }),
  ],
  [
    '3.5',
    'CDN-Cache-Control: public lets it be shared',
    miss(['CDN-Cache-Control: public, max-age=60'], ask('Authorization: Basic x')),
    hit(),
  ],
];

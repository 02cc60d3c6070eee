import { describe, expect, test } from '@jest/globals';
import {
  alwaysNeutral,
  alwaysNeutralNames,
  neutralUpstream,
  neutralUpstreamNames,
} from '../../../lib/http/inputs/neutral-headers.js';

describe('A header is neutral', () => {
  test('before the load wherever it is neutral in the load', () => {
    for (const name of alwaysNeutralNames) expect(neutralUpstreamNames).toContain(name);
  });

  test('once in the tables, by its exact name in lower case, with a reason', () => {
    const groups = [...alwaysNeutral, ...neutralUpstream];
    const names = groups.flatMap((group) => group.names);
    expect(names).toEqual([...new Set(names)].map((name) => name.toLowerCase()));
    for (const { reason } of groups) expect(reason).not.toBe('');
  });

  test.each([
    'accept',
    'accept-encoding',
    'user-agent',
    'origin',
    'referer',
    'x-forwarded-for',
    'x-request-id',
  ])('%s chooses an answer where the load reads it', (name) => {
    expect(alwaysNeutralNames).not.toContain(name);
  });

  test.each([
    'accept',
    'accept-language',
    'authorization',
    'baggage',
    'cf-ipcountry',
    'cloudfront-viewer-country',
    'cookie',
    'sec-ch-ua-mobile',
    'x-api-key',
    'x-forwarded-prefix',
    'x-original-url',
    'x-rewrite-url',
    'x-tenant',
    'x-user-id',
  ])('%s is neutral nowhere', (name) => {
    expect(neutralUpstreamNames).not.toContain(name);
  });
});

import { describe, expect, test } from '@jest/globals';
import { alwaysNeutralNames, neutralUpstreamNames } from '../../../lib/http/inputs/neutral-headers.js';
import { applicationNames, readTable, recordTable, type Table } from './tables.js';

describe('Packages of ordinary applications', () => {
  test.each(applicationNames)('%s reads and sets what its table says, and nothing else', async (name) => {
    expect(await recordTable(name)).toEqual(await readTable(name));
  });
});

describe('The tables of neutral headers and platform members cover', () => {
  test('the headers that the platforms themselves read', async () => {
    const bare = await readTable('bare');
    expect(headersRead(bare, 'load').filter((name) => !alwaysNeutralNames.has(name))).toEqual([]);
    expect(headersRead(bare, 'upstream').filter((name) => !neutralUpstreamNames.has(name))).toEqual([]);
  });

  test('the headers that packages read before the load, but for those that choose an answer', async () => {
    const varying: Record<string, string[]> = {};
    for (const name of applicationNames) {
      const left = headersRead(await readTable(name), 'upstream').filter(
        (header) => header !== '*' && !neutralUpstreamNames.has(header),
      );
      if (left.length > 0) varying[name] = left;
    }
    expect(varying).toEqual({
      // The version is in the key of the route.
      'nest-features': ['x-api-version'],
      cls: ['x-tenant'],
      cookies: ['cookie'],
      // By Fastify's request.routeOptions, whichever of its members is asked for.
      cors: ['accept-version'],
      helmet: ['accept-version'],
      i18n: ['accept-language', 'cookie', 'x-lang'],
      opentelemetry: ['accept-version'],
      'passport-jwt': ['authorization'],
      session: ['cookie'],
    });
  });

  test('every member that a bare platform and the features of Nest set, but for ids of requests', async () => {
    const foreign = async (name: 'bare' | 'nest-features'): Promise<string[]> =>
      Object.values(await readTable(name)).flatMap(({ foreign: lists }) => Object.values(lists).flat());
    expect(await foreign('bare')).toEqual(['id']);
    expect(new Set(await foreign('nest-features'))).toEqual(new Set(['id', 'Symbol(REQUEST_CONTEXT_ID)']));
  });

  test('no member that packages leave for handlers', async () => {
    const foreign = new Set<string>();
    for (const name of applicationNames)
      for (const { foreign: lists } of Object.values(await readTable(name)))
        for (const list of Object.values(lists)) for (const member of list) foreign.add(member);
    for (const member of ['id', 'session', 'user', 'cookies', 'isAuthenticated', 'cspNonce', 'i18nLang'])
      expect(foreign).toContain(member);
  });
});

function headersRead(table: Table, phase: 'upstream' | 'load'): string[] {
  const members = Object.values(table).flatMap(({ accesses }) => Object.values(accesses[phase] ?? {}).flat());
  const names = members
    .filter((member) => member.startsWith('headers.') && !member.endsWith('='))
    .map((member) => member.slice('headers.'.length));
  return [...new Set(names)].sort();
}

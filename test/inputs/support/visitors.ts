import type { Draw } from './draw.js';
import { sourceOf } from './generator.js';
import { INPUT_NAMES, inputOf, VISITORS, type InputName, type Visitor } from './inputs.js';
import type { Recipe, Route } from './recipe.js';

/** A GET that both applications are asked for. */
export interface Visit {
  readonly route: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const BURSTS = 14;
const MAX_BURST = 3;

/** Requests in the order in which they are sent; those of one burst overlap. */
export function drawSchedule(recipe: Recipe, draw: Draw): Visit[][] {
  return Array.from({ length: BURSTS }, () => {
    const route = draw.one(recipe.routes);
    return Array.from({ length: 1 + draw.below(MAX_BURST) }, () => drawVisit(recipe, route, draw));
  });
}

function drawVisit(recipe: Recipe, route: Route, draw: Draw): Visit {
  const visitor = draw.one(VISITORS);
  const used = new Set(
    [...recipe.steps.map(({ source }) => source), ...route.readers.map(sourceOf)].map(({ input }) => input),
  );
  const headers: Record<string, string> = { host: 'a.test' };
  const query = draw.chance(0.2) ? ['page=2'] : [];
  let prefix = '';
  for (const name of INPUT_NAMES) {
    if (!sends(visitor, name, used.has(name), draw)) continue;
    const { header, partOfTarget, sent } = inputOf(name);
    if (partOfTarget === 'prefix') prefix = recipe.stripsPrefix ? sent(visitor) : '';
    else if (partOfTarget === 'query') query.push(sent(visitor));
    else if (header !== undefined)
      headers[header] = header === 'cookie' ? joined(headers[header], sent(visitor)) : sent(visitor);
  }
  if (visitor === 'analytics') headers['cookie'] = joined(headers['cookie'], analyticsCookies(draw));
  const id = draw.chance(0.8) ? 1 : 2;
  return {
    route: route.name,
    path: `${prefix}/${route.name}/${id}${query.length > 0 ? '?' : ''}${query.join('&')}`,
    headers,
  };
}

const joined = (cookies: string | undefined, more: string): string =>
  cookies === undefined ? more : `${cookies}; ${more}`;

export const analyticsCookies = (draw: Draw): string =>
  `_ga=GA1.1.${draw.below(1e9)}.1700000000; _gid=GA1.1.${draw.below(1e9)}.1700000000`;

/** Credentials are sent seldom: with them the cache stands aside, and nothing else would be tried. */
function sends(visitor: Visitor, name: InputName, isUsed: boolean, draw: Draw): boolean {
  const { kind, header } = inputOf(name);
  if (kind === 'identity' && (visitor === 'anonymous' || visitor === 'analytics')) return false;
  const isCredential = header === 'cookie' || header === 'authorization';
  return draw.chance(isUsed ? (isCredential ? 0.5 : 0.75) : isCredential ? 0.05 : 0.1);
}

/** Visitors of a public page: none logs in, each has a browser and an address of its own, and they speak two languages. */
export function drawVisitors(count: number, draw: Draw): Visit[] {
  return Array.from({ length: count }, () => ({
    route: 'plain',
    path: '/plain/7?page=1',
    headers: {
      host: 'a.test',
      'user-agent': `Mozilla/5.0 (${draw.below(1e9)})`,
      'accept-language': draw.one(['de', 'en']),
      referer: `https://from.test/${draw.below(1e9)}`,
      'x-forwarded-for': `198.51.100.${draw.below(250)}`,
      ...(draw.chance(0.5) && { cookie: analyticsCookies(draw) }),
    },
  }));
}

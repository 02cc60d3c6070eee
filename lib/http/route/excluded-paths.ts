import type { KeyRequest } from '../../keys/key.interface.js';
import type { HttpPlatform } from '../platform.interface.js';
import { uriOf } from './stored-uris.js';
import { wildcardPattern } from './wildcard-pattern.js';

/** Tells whether a request leads to where nothing is to be cached. */
export type ExcludedPaths = (request: KeyRequest, platform: HttpPlatform) => boolean;

/**
 * @param patterns paths, in which `*` stands for anything; `/admin/*` holds `/admin` too
 * @returns `undefined` for none
 */
export function excludedPaths(patterns: readonly string[]): ExcludedPaths | undefined {
  if (patterns.length === 0) return undefined;
  const regexp = new RegExp(`^(?:${patterns.map(toPattern).join('|')})/?$`, 'is');
  // As it came, as routers read it, and as the route has it: one of them may say more than the others.
  return (request, platform) => {
    const path = uriOf(request).replace(/[?#].*$/s, '');
    return [path, decoded(path), platform.routePath(request)].some((one) => regexp.test(one));
  };
}

function toPattern(path: string): string {
  const whole = path.replace(/(?!^)\/+$/, '');
  const isBelow = whole.endsWith('/*');
  const plain = wildcardPattern(isBelow ? whole.slice(0, -2) : whole);
  return isBelow ? `${plain}(?:/.*)?` : plain;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

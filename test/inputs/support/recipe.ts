import type { PlatformName } from '../../http/support/application.js';
import type { PlaceName } from './places.js';
import type { Source } from './ways.js';

/** Code in front of the handler, from the outermost to the innermost. The last one runs within the load. */
export const STAGES = [
  'instance',
  'use',
  'hook',
  'middleware',
  'guard',
  'route guard',
  'interceptor',
] as const;
export type Stage = (typeof STAGES)[number];

/** Forms in which a value is left. */
export const SHAPES = ['text', 'object', 'nested', 'map', 'function', 'getter', 'instance'] as const;
export type Shape = (typeof SHAPES)[number];

/** Code in front of a handler that reads an input and leaves it somewhere. */
export interface Step {
  readonly stage: Stage;
  readonly source: Source;
  readonly shape: Shape;
  readonly place: PlaceName;
  /** Leaves nothing where the request has no such input. */
  readonly isOptional: boolean;
}

/** Code within the load that reads an input, or what a step left. */
export const READERS = [
  'handler',
  'parameter decorator',
  'interceptor before the handler',
  'interceptor after the handler',
  'global interceptor',
  'toJSON',
  'late stream',
  'exception filter',
  'scoped provider',
  'scoped provider, lazily',
  'scoped controller',
  'scoped interceptor',
  'scoped pipe',
  'durable provider',
  '@CacheResult service',
  'scoped @CacheResult service',
  'getOrSet',
] as const;
export type ReaderName = (typeof READERS)[number];

export interface Reader {
  readonly who: ReaderName;
  /** A step, or an input that is read directly. */
  readonly from: Step | Source;
  /** Effect on the answer. `status`: 403 where there is no value. */
  readonly into: 'body' | 'header' | 'status';
}

export interface Route {
  readonly name: string;
  readonly cached: 'by decorator' | 'while revalidating' | 'only what it calls';
  readonly readers: readonly Reader[];
  /** Says `Vary: Origin`, as CORS middleware may have said already. */
  readonly saysVary: boolean;
}

/** A generated application as plain data. */
export interface Recipe {
  readonly platform: PlatformName;
  readonly trustsProxy: boolean;
  readonly parsesCookies: boolean;
  readonly hasCors: boolean;
  readonly stripsPrefix: boolean;
  readonly cachesEverything: boolean;
  readonly steps: readonly Step[];
  readonly routes: readonly Route[];
}

export function isStep(from: Step | Source): from is Step {
  return 'stage' in from;
}

/** The recipe in words, one line for each step and route. */
export function describeRecipe(recipe: Recipe): string {
  const { platform, trustsProxy, parsesCookies, hasCors, stripsPrefix, cachesEverything } = recipe;
  const switches = Object.entries({
    'trusts its proxy': trustsProxy,
    'parses cookies': parsesCookies,
    'enables CORS': hasCors,
    'strips /t/:tenant': stripsPrefix,
    'caches everything': cachesEverything,
  });
  const head = [platform, ...switches.filter(([, isOn]) => isOn).map(([name]) => name)].join(', ');
  return [head, ...recipe.steps.map(describeStep), ...recipe.routes.map(describeRoute)].join('\n    ');
}

function describeStep({ stage, source, shape, place, isOptional }: Step): string {
  return `${stage} leaves ${source.input} (${source.way}) as ${shape} in ${place}${isOptional ? ', if there is one' : ''}`;
}

function describeRoute({ name, cached, readers, saysVary }: Route): string {
  const seen = readers.map(({ who, from, into }) => {
    const what = isStep(from) ? `what ${from.stage} left in ${from.place}` : `${from.input} (${from.way})`;
    return `${who} puts ${what} into the ${into}`;
  });
  const vary = saysVary ? ['the handler says Vary: Origin'] : [];
  return `GET /${name}/:id, cached ${cached}: ${[...seen, ...vary].join('; ') || 'reads id and page alone'}`;
}

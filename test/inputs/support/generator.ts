import type { PlatformName } from '../../http/support/application.js';
import { Draw } from './draw.js';
import { INPUT_NAMES, inputOf } from './inputs.js';
import { isContext, PLACE_NAMES, placeOf } from './places.js';
import {
  isStep,
  READERS,
  SHAPES,
  STAGES,
  type Reader,
  type ReaderName,
  type Recipe,
  type Route,
  type Stage,
  type Step,
} from './recipe.js';
import { decoratorsOf, isEnumerating, isParameter, waysOf, type Source } from './ways.js';

/** Stages that can run what comes after them within a context. */
const AROUND: readonly Stage[] = ['instance', 'use', 'hook', 'middleware', 'interceptor'];
/** Built by Nest before the response can be handed to them. */
const SCOPED: readonly ReaderName[] = [
  'scoped provider',
  'scoped provider, lazily',
  'scoped controller',
  'scoped interceptor',
  'scoped pipe',
  'scoped @CacheResult service',
];

/** Read as Nest builds them, before guards run. */
const BUILT_EARLY: readonly ReaderName[] = ['scoped provider', 'scoped interceptor'];
const AFTER_BUILDING: readonly Stage[] = ['guard', 'route guard', 'interceptor'];

/** The application that a seed decides. */
export function generateRecipe(platform: PlatformName, seed: number): Recipe {
  const draw = new Draw(seed);
  const steps = Array.from({ length: draw.chance(0.25) ? 0 : 1 + draw.below(2) }, () =>
    drawStep(draw, platform),
  );
  const routes = Array.from({ length: 2 }, (_, at) => drawRoute(draw, `route${at}`, steps));
  const sources = [
    ...steps.map(({ source }) => source),
    ...routes.flatMap(({ readers }) => readers.map(sourceOf)),
  ];
  const reads = (input: string): boolean => sources.some((source) => source.input === input);
  return {
    platform,
    trustsProxy: reads('client address') || reads('x-forwarded-host') || reads('x-forwarded-proto'),
    parsesCookies: sources.some(({ way }) => way === 'request.cookies'),
    hasCors: draw.chance(0.2),
    stripsPrefix: reads('path prefix'),
    cachesEverything: draw.chance(0.15),
    steps,
    routes,
  };
}

export function sourceOf({ from }: Reader): Source {
  return isStep(from) ? from.source : from;
}

function drawSource(draw: Draw): Source {
  const input = draw.one(INPUT_NAMES);
  return { input, way: draw.one(waysOf(input)) };
}

function drawStep(draw: Draw, platform: PlatformName): Step {
  const stages = STAGES.filter((stage) =>
    stage === 'instance' ? platform === 'express' && draw.chance(0.3) : true,
  );
  return draw.suitable(() => {
    const place = draw.one(PLACE_NAMES);
    return {
      stage: draw.one(stages),
      source: drawSource(draw),
      shape: draw.one(placeOf(place).shapes ?? SHAPES),
      place,
      // Entered for one request, a context may still be there for the next one of the connection.
      isOptional: place !== 'AsyncLocalStorage.enterWith' && draw.chance(0.3),
    };
  }, isPossible);
}

function isPossible(step: Step): boolean {
  const { stage, source, place } = step;
  if (placeOf(place).isAround && !AROUND.includes(stage)) return false;
  // Where there is a user the cache stands aside; what no user sends would make it stand aside for everybody.
  if (place === 'request.user') return inputOf(source.input).kind === 'identity';
  return !isOutOfSight(step);
}

/** The documented limit: an input that code in front may use freely, kept where nobody can look. */
function isOutOfSight({ stage, source, place }: Step): boolean {
  if (place !== 'a WeakMap' || stage === 'interceptor') return false;
  return inputOf(source.input).kind === 'neutral' || isEnumerating(source);
}

function drawRoute(draw: Draw, name: string, steps: readonly Step[]): Route {
  const readers = Array.from({ length: draw.chance(0.75) ? 1 : 2 }, () => drawReader(draw, steps));
  const cached = draw.one([
    'by decorator',
    'by decorator',
    'while revalidating',
    'only what it calls',
  ] as const);
  return { name, cached, readers, saysVary: draw.chance(0.1) };
}

function drawReader(draw: Draw, steps: readonly Step[]): Reader {
  return draw.suitable<Reader>(() => {
    const who = draw.one(READERS);
    const into = draw.one(['body', 'body', 'header', 'status'] as const);
    return { who, from: drawFrom(draw, who, steps), into };
  }, isReadable);
}

function drawFrom(draw: Draw, who: ReaderName, steps: readonly Step[]): Step | Source {
  if (steps.length > 0 && draw.chance(0.6)) return draw.one(steps);
  if (who !== 'handler' || !draw.chance(0.4)) return drawSource(draw);
  const input = draw.suitable(
    () => draw.one(INPUT_NAMES),
    (name) => decoratorsOf(name).length > 0,
  );
  return { input, way: draw.one(decoratorsOf(input)) };
}

const ONLY_BODIES: readonly ReaderName[] = ['late stream', 'toJSON', 'exception filter'];

function isReadable({ who, from, into }: Reader): boolean {
  // A head that has gone out cannot change.
  if (ONLY_BODIES.includes(who) && into !== 'body') return false;
  if (who === 'durable provider')
    return !isStep(from) && from.input === 'x-tenant' && from.way === 'headers[x]';
  if (!isStep(from)) return who !== '@CacheResult service' && (who === 'handler' || !isParameter(from));
  // A singleton reaches nothing of a request but its context.
  if (who === '@CacheResult service') return isContext(from.place);
  // Such a reader finds what another request of its connection has left, without the cache too.
  const isTooEarly = BUILT_EARLY.includes(who) && AFTER_BUILDING.includes(from.stage);
  if (isTooEarly && from.place === 'AsyncLocalStorage.enterWith') return false;
  // A loader that looks into a map of the application's is not seen to read anything of the request.
  if (who === 'getOrSet' && from.place === 'a WeakMap') return false;
  return !(SCOPED.includes(who) && placeOf(from.place).isOnResponse);
}

/**
 * The plain route of the application promises hits, whatever surrounds it: nothing within its load reads a request, and
 * nothing in front of it makes a key out of what each visitor sends differently.
 */
export function promisesHits({ steps, routes }: Recipe): boolean {
  const readsInEveryLoad = routes.some(({ readers }) =>
    readers.some(({ who }) => who === 'global interceptor'),
  );
  return !readsInEveryLoad && steps.every(leavesHits);
}

const PARTS_OF_THE_KEY = ['request.params', 'request.query', 'request.body'];

function leavesHits({ stage, source, place, shape, isOptional }: Step): boolean {
  // An object for those who are not logged in looks like a user.
  if (place === 'request.user' && shape !== 'text' && !isOptional) return false;
  if (stage === 'interceptor' || stage === 'instance') return false;
  if (PARTS_OF_THE_KEY.includes(place)) return false;
  return place !== 'a request header' || inputOf(source.input).kind !== 'neutral';
}

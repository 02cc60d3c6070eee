import { describeRecipe, type Recipe } from './recipe.js';
import { compare, type Difference } from './runner.js';
import type { Visit } from './visitors.js';

export interface Finding {
  readonly seed: number;
  readonly recipe: Recipe;
  readonly difference: Difference;
}

const SWITCHES = ['trustsProxy', 'parsesCookies', 'hasCors', 'stripsPrefix', 'cachesEverything'] as const;

/** Recipes with one thing less. */
function* smaller(recipe: Recipe): Generator<Recipe> {
  for (const name of SWITCHES) if (recipe[name]) yield { ...recipe, [name]: false };
  for (const gone of recipe.steps) {
    const isRead = recipe.routes.some(({ readers }) => readers.some(({ from }) => from === gone));
    if (!isRead) yield { ...recipe, steps: recipe.steps.filter((step) => step !== gone) };
  }
  for (const route of recipe.routes) {
    const others = recipe.routes.filter((other) => other !== route);
    if (others.length > 0) yield { ...recipe, routes: others };
    for (const gone of route.readers) {
      const readers = route.readers.filter((reader) => reader !== gone);
      if (readers.length > 0) yield { ...recipe, routes: [...others, { ...route, readers }] };
    }
    if (route.saysVary) yield { ...recipe, routes: [...others, { ...route, saysVary: false }] };
  }
}

/** Drops features and requests one by one as long as the answers still differ. */
export async function shrink(
  seed: number,
  recipe: Recipe,
  schedule: Visit[][],
  found: Difference,
): Promise<Finding> {
  let difference = found;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const candidate of smaller(recipe)) {
      const visits = schedule.filter(([{ route }]: any) =>
        candidate.routes.some(({ name }) => name === route),
      );
      const again = await compare(candidate, visits);
      if (again === undefined) continue;
      [recipe, schedule, difference, isSmaller] = [candidate, visits, again, true];
      break;
    }
  }
  return { seed, recipe, difference };
}

export function describeFinding({ seed, recipe, difference }: Finding): string {
  const { visit, cache, cached, uncached, before } = difference;
  const asText = ({ path, headers }: Visit): string => `GET ${path} ${JSON.stringify(headers)}`;
  return [
    `SEED=${seed}`,
    describeRecipe(recipe),
    `after    ${before[0] === undefined ? 'nothing' : asText(before[0])}`,
    `request  ${asText(visit)}`,
    `got      ${cache}: ${cached}`,
    `expected ${uncached}`,
  ].join('\n    ');
}

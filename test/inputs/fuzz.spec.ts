import { beforeAll, describe, expect, it } from '@jest/globals';
import { platforms } from '../http/support/application.js';
import { announce, isSoak, seed, soaked } from '../support/randomised.js';
import { Draw } from './support/draw.js';
import { generateRecipe, promisesHits } from './support/generator.js';
import { describeRecipe } from './support/recipe.js';
import { compare, hitRate } from './support/runner.js';
import { describeFinding, shrink } from './support/shrink.js';
import { drawSchedule } from './support/visitors.js';

/** Half of them on each platform. */
const APPLICATIONS = soaked(2000) / platforms.length;
const MAX_FINDINGS = 5;

/** Of how many applications one is compared with itself. */
const COMPARED_WITH_ITSELF = 20;

/** Of how many applications one is asked for its plain page, and by how many visitors. */
const ASKED_FOR_HITS = 4;
const VISITORS = 40;
const PROMISED_RATE = 0.9;

/** Ordinary runs have the same applications each time: what new ones find is for `npm run soak`, which draws them by SEED. */
const FIRST = isSoak ? seed : 9_000;

// Every application has its own seed: SOAK=1 SEED=<that of a finding> makes it the first one.
describe.each(platforms)('generated applications on %s', (platform) => {
  const findings: string[] = [];
  const poor: string[] = [];
  const unsteady: string[] = [];
  let asked = 0;

  async function run(own: number): Promise<void> {
    const recipe = generateRecipe(platform, own);
    const draw = new Draw(own + 1);
    const schedule = drawSchedule(recipe, draw);
    const difference = await compare(recipe, schedule);
    if (difference !== undefined)
      findings.push(describeFinding(await shrink(own, recipe, schedule, difference)));
    if (own % COMPARED_WITH_ITSELF === 0 && (await compare(recipe, schedule, false)) !== undefined)
      unsteady.push(`SEED=${own} ${describeRecipe(recipe)}`);
    if (own % ASKED_FOR_HITS !== 0 || !promisesHits(recipe)) return;
    asked++;
    const rate = await hitRate(recipe, VISITORS, draw);
    if (rate < PROMISED_RATE) poor.push(`SEED=${own} ${rate}: ${describeRecipe(recipe)}`);
  }

  beforeAll(async () => {
    announce(`generated applications on ${platform} from ${FIRST} on`, APPLICATIONS);
    for (let at = 0; at < APPLICATIONS && findings.length < MAX_FINDINGS; at++) await run(FIRST + at);
  }, 3_600_000);

  it('answer every visitor alike with the cache and without', () => {
    expect(findings.join('\n\n')).toBe('');
  });

  it('answer alike whenever they are asked, without the cache', () => {
    expect(unsteady.join('\n\n')).toBe('');
  });

  it('give visitors of a plain public page hits', () => {
    expect(poor.join('\n\n')).toBe('');
    if (findings.length === 0) expect(asked).toBeGreaterThan(APPLICATIONS / ASKED_FOR_HITS / 8);
  });
});

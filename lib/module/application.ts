import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { CacheConfigurationError } from '../common/errors.js';
import { isLocalCacheManager } from '../stores/cache-manager-store.js';
import type { CacheStore } from '../stores/store.interface.js';

/**
 * Environment variables that identify the running build, each documented by a platform. The first one that is set counts: variables with
 * the same value in every process of a deployment come before those that differ by service.
 */
export const DEPLOYMENT_VARIABLES = [
  'GIT_SHA', // by convention, in images that a build writes it into
  'GIT_COMMIT', // Jenkins
  'COMMIT_SHA', // Google Cloud Build
  'SOURCE_COMMIT', // Docker Hub's automated builds, Coolify
  'SOURCE_VERSION', // Heroku's build
  'HEROKU_BUILD_COMMIT', // Heroku's dynos, with dyno metadata
  'HEROKU_SLUG_COMMIT', // Heroku's dynos, deprecated
  'VERCEL_GIT_COMMIT_SHA',
  'RENDER_GIT_COMMIT',
  'RAILWAY_GIT_COMMIT_SHA',
  'KOYEB_GIT_SHA',
  'CF_PAGES_COMMIT_SHA', // Cloudflare Pages
  'COMMIT_REF', // Netlify
  'CC_COMMIT_ID', // Clever Cloud
  'PLATFORM_TREE_ID', // Platform.sh, Upsun
  'CONTAINER_VERSION', // Scalingo
  'GITHUB_SHA', // GitHub Actions
  'CI_COMMIT_SHA', // GitLab
  'BITBUCKET_COMMIT',
  'CIRCLE_SHA1', // CircleCI
  'BUILD_SOURCEVERSION', // Azure Pipelines
  'CODEBUILD_RESOLVED_SOURCE_VERSION', // AWS CodeBuild
  'FLY_IMAGE_REF', // Fly.io: the image of a release
  'GAE_VERSION', // Google App Engine
  'K_REVISION', // Google Cloud Run, Knative: each service has its own
  'CONTAINER_APP_REVISION', // Azure Container Apps: each app has its own
] as const;

/** Variables of platforms whose entry file is the same for every application. */
const FOREIGN_ENTRIES = ['AWS_LAMBDA_RUNTIME_API', 'FUNCTIONS_WORKER_RUNTIME'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** The build that runs, from the first {@link DEPLOYMENT_VARIABLES} that is set. */
export function deployedVersion(environment: Environment = process.env): string | undefined {
  const name = DEPLOYMENT_VARIABLES.find((variable) => Boolean(environment[variable]));
  return name && environment[name];
}

/**
 * The name of the package that the process was started from, and the path of its entry file in it: `shop/dist/worker`. `undefined` if
 * there is no such package, or if the entry file belongs to the platform.
 *
 * @param entry the file that was started; packages inside `node_modules` are skipped
 */
export function defaultApplication(
  entry: string | undefined = process.argv[1],
  environment: Environment = process.env,
): string | undefined {
  if (entry === undefined || FOREIGN_ENTRIES.some((variable) => environment[variable] !== undefined))
    return undefined;
  for (let folder = dirname(entry), below = ''; folder !== below; below = folder, folder = dirname(folder)) {
    if (folder.split(sep).includes('node_modules')) continue;
    const name = packageName(folder);
    if (name !== undefined) return `${name}/${withoutExtension(relative(folder, entry))}`;
  }
  return undefined;
}

function packageName(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return typeof name === 'string' && name !== '' ? name : undefined;
  } catch {
    return undefined;
  }
}

/** `node dist/main` and `node dist/main.js` start the same application. */
function withoutExtension(path: string): string {
  return path
    .split(sep)
    .join('/')
    .replace(/\.[cm]?[jt]s$/, '');
}

/** Tells whether other processes may read the entries of a store. */
export function isShared(store: CacheStore): boolean {
  return !store.keepsReferences && !isLocalCacheManager(store);
}

/** @throws CacheConfigurationError for a shared store if the application has no name: it could read the entries of another */
export function assertApplication(stores: Iterable<CacheStore>, application: string): void {
  const shared = [...stores].find(isShared);
  if (shared === undefined || application !== '') return;
  throw new CacheConfigurationError(
    'CACHE_APPLICATION',
    `RestflowCacheModule: the ${shared.kind} store is shared with other processes, and no package.json above the entry file names this ` +
      `application: it could read the entries of another. Write forRoot({ application: 'orders-api' }), with the same name in all ` +
      `processes that share entries.`,
  );
}

/** Warns of a shared store without a version: the next build would read the entries of this one. `undefined` if all is well. */
export function adviseOnVersion(
  stores: Iterable<CacheStore>,
  version: string | undefined,
): string | undefined {
  const shared = [...stores].find(isShared);
  if (shared === undefined || version !== undefined) return undefined;
  return (
    `RestflowCacheModule has no version: after a deployment the ${shared.kind} store still serves values of the previous build if the ` +
    `class of a cached method is unchanged, even if the code that it calls has changed. Write ` +
    `forRoot({ version: process.env.GIT_SHA }), or set the variable GIT_SHA.`
  );
}

import { readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { CacheConfigurationError } from '../common/errors.js';
import { isLocalCacheManager } from '../stores/cache-manager-store.js';
import type { CacheStore } from '../stores/store.interface.js';

/**
 * Variables that say which build runs, each documented by a platform, in the order in which they are asked. One that is the same
 * for every process of a deployment stands before one that each service has for itself.
 */
export const DEPLOYMENT_VARIABLES = [
  'GIT_SHA', // by convention, in images that a build writes it into
  'GIT_COMMIT', // Jenkins
  'COMMIT_SHA', // Google Cloud Build
  'SOURCE_COMMIT', // Docker Hub's automated builds, Coolify
  'SOURCE_VERSION', // Heroku's build
  'HEROKU_BUILD_COMMIT', // Heroku's dynos, with dyno metadata
  'HEROKU_SLUG_COMMIT', // the same, deprecated there
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

/** Variables of platforms that start processes by a file of their own, which is the same for every application. */
const FOREIGN_ENTRIES = ['AWS_LAMBDA_RUNTIME_API', 'FUNCTIONS_WORKER_RUNTIME'] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** What runs here, as far as the process tells. */
export function deployedVersion(environment: Environment = process.env): string | undefined {
  const name = DEPLOYMENT_VARIABLES.find((variable) => Boolean(environment[variable]));
  return name && environment[name];
}

/**
 * The name of the package that the process was started from and the path of its entry file below it: `shop/dist/worker`. `undefined` where
 * there is no such package, or the file is a platform's own.
 *
 * @param entry the file that was started; directories inside `node_modules` are no packages of the application's
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

/** `node dist/main` and `node dist/main.js` start one application. */
function withoutExtension(path: string): string {
  return path
    .split(sep)
    .join('/')
    .replace(/\.[cm]?[jt]s$/, '');
}

/** Whether other processes may read what is stored: one in memory decodes nothing. */
export function isShared(store: CacheStore): boolean {
  return !store.keepsReferences && !isLocalCacheManager(store);
}

/** @throws CacheConfigurationError where entries of another application may be read, because nothing tells them from those of this one */
export function assertApplication(stores: Iterable<CacheStore>, application: string): void {
  const shared = [...stores].find(isShared);
  if (shared === undefined || application !== '') return;
  throw new CacheConfigurationError(
    'CACHE_APPLICATION',
    `RestflowCacheModule: the ${shared.kind} store is shared with other processes, and no package.json above the file that started this ` +
      `one tells which application it is: it could read the entries of another. Write forRoot({ application: 'orders-api' }), the ` +
      `same in all processes that are to share entries.`,
  );
}

/** What to say of a build that nothing tells from the next one; `undefined` where there is nothing to say. */
export function adviseOnVersion(
  stores: Iterable<CacheStore>,
  version: string | undefined,
): string | undefined {
  const shared = [...stores].find(isShared);
  if (shared === undefined || version !== undefined) return undefined;
  return (
    `RestflowCacheModule has no version: after a deployment the ${shared.kind} store still serves what the build before stored, where no ` +
    `class of a cached method changed but what it calls did. Write forRoot({ version: process.env.GIT_SHA }), or set GIT_SHA where the ` +
    `process starts.`
  );
}

import { fileURLToPath } from 'node:url';

/** Files of the recorder itself, whose frames are skipped. */
const ownFiles = ['readers', 'recorder', 'watched-object', 'watched-headers', 'contexts', 'record'];

/** Libraries and files that read on behalf of their caller: `req.get()`, `reply.header()`, content negotiation. */
const helpers = new Set([
  'accepts',
  'cookie',
  'forwarded',
  'fresh',
  'ipaddr.js',
  'negotiator',
  'on-finished',
  'on-headers',
  'parseurl',
  'proxy-addr',
  'range-parser',
  'type-is',
  'vary',
  '@fastify/accept-negotiator',
  '@fastify/forwarded',
  '@fastify/proxy-addr',
]);
const helperFiles = /node_modules\/(?:express|fastify)\/lib\/(?:request|response|reply)\.js$/;

/**
 * The package whose code is running: the nearest frame that is no helper, 'application' for the tests' own code.
 * `undefined` where Node itself reads, whose reads follow from those of its callers.
 */
export function currentReader(): string | undefined {
  let helper: string | undefined;
  let isNearest = true;
  for (const site of callSites()) {
    const file = fileOf(site);
    if (file === undefined || isOwn(file)) continue;
    if (file.startsWith('node:')) {
      if (isNearest) return undefined;
      continue;
    }
    if (file.endsWith('/recorder/run-application.ts')) {
      if (isNearest) return undefined;
      continue;
    }
    isNearest = false;
    const name = packageOf(file);
    if (!helpers.has(name) && !helperFiles.test(file)) return name;
    helper ??= name;
  }
  return helper ?? 'node';
}

function callSites(): readonly NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 60;
  Error.prepareStackTrace = (_error, sites) => sites;
  const holder: { stack?: NodeJS.CallSite[] } = {};
  Error.captureStackTrace(holder, currentReader);
  const sites = holder.stack ?? [];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  return sites;
}

function fileOf(site: NodeJS.CallSite): string | undefined {
  const file = site.getFileName();
  if (!file) return undefined;
  return file.startsWith('file:') ? fileURLToPath(file) : file;
}

function isOwn(file: string): boolean {
  return ownFiles.some((name) => file.endsWith(`/recorder/${name}.ts`));
}

/** `…/node_modules/@scope/name/lib/file.js` → `@scope/name`. */
function packageOf(file: string): string {
  const found = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file);
  return found?.[1] ?? 'application';
}

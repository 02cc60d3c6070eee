import type { MethodTarget } from '../cache/method-target.js';
import { counted } from '../common/messages.js';
import { deltaSeconds, parseCacheControl } from '../http/headers/cache-control.js';
import { headersOf } from '../common/nest-internals.js';
import { unreadArguments } from '../http/route/handler-shape.js';
import type { ResponseOptions } from '../http/route/response-options.js';
import type { BoundRule } from '../invalidation/index.js';
import { agreesOnLoads } from '../stores/store.interface.js';
import type { OnceLog } from '../observability/once-log.js';

/** Further names are counted only. */
const MAX_NAMES = 50;

/** The log line of the boot: cached methods, rules, DataSources and store. `cache.status()` has the details. */
export function bootLine(
  targets: readonly MethodTarget[],
  rules: readonly BoundRule[],
  dataSources: number,
  store: string,
  { application, version }: { readonly application: string; readonly version: string | undefined },
): string {
  const methods = targets.map(({ name }) => name);
  const drops = rules.map(({ target, entityName }) => `${entityName} → ${target.name}`);
  return (
    `${listed(methods, 'cached method')}; ${listed(drops, 'invalidation rule')}; ` +
    `${counted(dataSources, 'data source')}; store ${store}; ` +
    `application ${application || '-'}, version ${version ?? '-'}`
  );
}

function listed(names: readonly string[], what: string): string {
  const rest = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
  const list = names.length > 0 ? ` (${names.slice(0, MAX_NAMES).join(', ')}${rest})` : '';
  return `${counted(names.length, what)}${list}`;
}

/** Finds mistakes in valid options of cached methods. `adviseOn()` does so for their rules. */
export function adviseOnMethods(targets: readonly MethodTarget[]): readonly string[] {
  return targets.flatMap((target) => [
    ...adviseOnLock(target),
    ...adviseOnLifetime(target),
    ...adviseOnKey(target),
  ]);
}

/** Warns of a distributed lock on a store without leases. The memory store is left out: only one process uses it. */
function adviseOnLock({ name, policy, store }: MethodTarget): readonly string[] {
  if (policy.lock !== 'distributed' || store.kind === 'memory' || agreesOnLoads(store)) return [];
  return [
    `${name} has lock: 'distributed', but the ${store.kind} store has no leases: each process loads for itself. Use a redisStore(), or ` +
      `remove lock.`,
  ];
}

/** Warns of a custom key that lacks arguments of the handler. With the option `query` the handler sees only parameters of the key. */
function adviseOnKey({ name, owner, key, definition }: MethodTarget): readonly string[] {
  if (definition.kind !== 'response') return [];
  const { query, freshness } = definition.response as ResponseOptions;
  if (query !== undefined || freshness === 'headers') return [];
  const unread = unreadArguments(key, owner, definition.methodName);
  if (unread.length === 0) return [];
  return [
    `${name} reads ${unread.join(' and ')}, which its key does not contain: requests that differ only in that share a response. Add ` +
      `${unread.map(fieldFor).join(' and ')} to its keyConstructor, or extend ResponseCacheKeyConstructor, which contains them all.`,
  ];
}

function fieldFor(argument: string): string {
  return argument
    .replace('@Param(', 'new RouteParamsKeyField(')
    .replace('@Query(', 'new QueryParamsKeyField(');
}

function adviseOnLifetime({ name, policy, definition }: MethodTarget): readonly string[] {
  const { ttl } = policy;
  if (definition.kind !== 'response' || typeof ttl !== 'number') return [];
  const header = headersOf(definition.original).find((one) => one.name.toLowerCase() === 'cache-control');
  const directives = parseCacheControl(header?.value);
  const [directive, seconds] = ['max-age', 's-maxage']
    .map((one) => [one, deltaSeconds(directives, one) ?? 0] as const)
    .reduce((longest, one) => (one[1] > longest[1] ? one : longest));
  if (seconds * 1000 <= ttl) return [];
  return [
    `${name} tells clients ${directive}=${seconds}, which is longer than its ttl (${ttl / 1000} s): they keep responses that have ` +
      `expired or were invalidated here. Write a shorter maxAge, or a longer ttl.`,
  ];
}

/** Tells why a cached method of a request-scoped class runs uncached. */
export function adviseOnScope(log: OnceLog, name: string): void {
  log.warn(
    `scoped ${name}`,
    `${name} runs uncached: its class is request-scoped, so its values may depend on anything in the request. If they are the ` +
      `same for every caller, write shared: true; if they depend on the user, mark the key field of the user ` +
      `{ identity: true }; if they depend on a context, write forRoot({ keyContext }).`,
  );
}

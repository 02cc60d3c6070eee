import 'reflect-metadata';

/** Nest's metadata, by the names it has used since its first version. */
const GUARDS = '__guards__';
const HEADERS = '__headers__';
const HOST = 'host';
const SSE = '__sse__';

/** What of an application decides whether its pipelines do something before the interceptors. */
export interface PipelineSettings {
  getGlobalGuards(): readonly unknown[];
  getGlobalRequestGuards(): readonly unknown[];
  getVersioning(): { readonly type?: number } | undefined;
}

/** Nest's `VersioningType`: only these versions stand in the path, which the platform goes by. */
const URI = 0;

/**
 * Whether Nest's pipeline comes to the first interceptor without having done anything for a request that others can see: no
 * guards, no `@Header()`, no choice by host or version.
 *
 * Controllers that are made for each request are left to the caller: no metadata tells them.
 */
export function isPlainPipeline(app: PipelineSettings, handler: Function, controller: Function): boolean {
  const versioning = app.getVersioning();
  return (
    app.getGlobalGuards().length + app.getGlobalRequestGuards().length === 0 &&
    (versioning === undefined || versioning.type === URI) &&
    isEmpty(Reflect.getMetadata(GUARDS, controller)) &&
    isEmpty(Reflect.getMetadata(GUARDS, handler)) &&
    isEmpty(Reflect.getMetadata(HEADERS, handler)) &&
    Reflect.getMetadata(HOST, controller) === undefined &&
    Reflect.getMetadata(SSE, handler) === undefined
  );
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}

import 'reflect-metadata';
import {
  All,
  Body,
  Controller,
  Get,
  Header,
  Headers,
  Ip,
  type NestInterceptor,
  Param,
  Query,
  Req,
  RequestMethod,
  Session,
  Sse,
  UseGuards,
  VersioningType,
} from '@nestjs/common';
import { type ModuleRef, ModulesContainer, RouterModule } from '@nestjs/core';
import { CacheConfigurationError } from './errors.js';

// Everything that this library relies on and Nest does not document stands in this file. Each name is compared with the
// installed Nest at boot, by reading back what Nest's own decorators wrote on a probe.

/** Metadata keys of Nest's decorators, equal in Nest 11 and 12. */
export const NEST_METADATA = {
  /** `@UseGuards()`, on classes and methods. */
  guards: '__guards__',
  /** `@Header()`. */
  headers: '__headers__',
  /** `@Controller({ host })`. */
  host: 'host',
  /** `@Sse()`. */
  sse: '__sse__',
  /** `@Controller('…')`, `@Get('…')` and its like. */
  path: 'path',
  /** The {@link RequestMethod} of `@Get()` and its like. */
  method: 'method',
  /** `@Param()` and its like: on the class, under the name of the method. */
  routeArguments: '__routeArguments__',
  /** `RouterModule`: on the class of a module, followed by the application's id. */
  modulePath: '__module_path__',
  /** `@Inject()` on a property: on the class. */
  injectedProperties: 'self:properties_metadata',
};

/** Nest's `RouteParamtypes`, which it does not export, as far as they matter here. */
const ARGUMENT_KINDS = {
  0: 'request',
  3: 'body',
  4: 'query',
  5: 'param',
  6: 'header',
  7: 'session',
  11: 'ip',
} as const;

/** Where an argument of a handler comes from; `custom` for decorators of the application. */
export type ArgumentKind = (typeof ARGUMENT_KINDS)[keyof typeof ARGUMENT_KINDS] | 'custom' | 'other';

export interface DeclaredArgument {
  readonly kind: ArgumentKind;
  readonly index: number;
  /** `'id'` of `@Param('id')`. */
  readonly name: string | undefined;
}

/** The arguments of a handler that have a decorator. */
export function declaredArguments(controller: Function, methodName: string): readonly DeclaredArgument[] {
  const metadata = (Reflect.getMetadata(NEST_METADATA.routeArguments, controller, methodName) ??
    {}) as Record<string, { index: number; data?: unknown }>;
  // Keys are `<kind>:<index>`; those of the application's own decorators begin with a random text.
  return Object.entries(metadata).map(([key, { index, data }]) => {
    const type = Number(key.split(':')[0]);
    const kind = Number.isNaN(type)
      ? 'custom'
      : (ARGUMENT_KINDS[type as keyof typeof ARGUMENT_KINDS] ?? 'other');
    return { kind, index, name: typeof data === 'string' ? data : undefined };
  });
}

/** The paths that the decorator of a controller or handler names. */
export function pathsOf(target: object): string[] {
  const path = Reflect.getMetadata(NEST_METADATA.path, target) as string | string[] | undefined;
  return path === undefined ? [] : [path].flat();
}

/** The method that a handler is decorated for, e.g. `GET`; `ALL` for `@All()`. */
export function methodOf(handler: object): string {
  const method = Reflect.getMetadata(NEST_METADATA.method, handler) as RequestMethod | undefined;
  return RequestMethod[method ?? RequestMethod.GET];
}

/** True if a handler is decorated with `@Sse()`: its stream of events does not end. */
export function isEventStream(handler: object): boolean {
  return Reflect.hasMetadata(NEST_METADATA.sse, handler);
}

/** Lower-case names of all headers that `@Header()` sets, before any interceptor runs. */
export function declaredHeaderNames(handler: object): readonly string[] {
  const headers = Reflect.getMetadata(NEST_METADATA.headers, handler) as { name: string }[] | undefined;
  return (headers ?? []).map(({ name }) => name.toLowerCase());
}

/** The headers that `@Header()` names; values that are functions are left out. */
export function headersOf(handler: object): readonly { name: string; value: string }[] {
  const headers = Reflect.getMetadata(NEST_METADATA.headers, handler) as
    { name: string; value: unknown }[] | undefined;
  return (headers ?? []).flatMap(({ name, value }) => (typeof value === 'string' ? [{ name, value }] : []));
}

/** The keys of properties that Nest injects into instances of a class. */
export function injectedProperties(owner: Function): readonly unknown[] {
  const injected = Reflect.getMetadata(NEST_METADATA.injectedProperties, owner) as
    { key: unknown }[] | undefined;
  return (injected ?? []).map(({ key }) => key);
}

/** The paths under which `RouterModule` mounts modules of an application. */
export function modulePaths(modules: ModulesContainer): string[] {
  const key = NEST_METADATA.modulePath + modules.applicationId;
  const paths = [...modules.values()].map(
    ({ metatype }) => Reflect.getMetadata(key, metatype) as string | undefined,
  );
  return paths.filter((path) => path !== undefined);
}

/** The part of Nest's `ApplicationConfig` that the module needs. */
export interface ApplicationConfigLike {
  getGlobalInterceptors(): NestInterceptor[];
  getGlobalPrefix(): string;
  getGlobalGuards(): readonly unknown[];
  /** Those that are made for each request. */
  getGlobalRequestGuards(): readonly unknown[];
  getVersioning(): { readonly type?: number } | undefined;
}

const CONFIG_METHODS = [
  'getGlobalInterceptors',
  'getGlobalPrefix',
  'getGlobalGuards',
  'getGlobalRequestGuards',
  'getVersioning',
] as const satisfies readonly (keyof ApplicationConfigLike)[];

/**
 * The configuration of the application. Nest offers no way to put an interceptor before those that other modules
 * register, so this reads the container that every `ModuleRef` holds.
 *
 * @throws CacheConfigurationError where this Nest has none
 */
export function applicationConfigOf(moduleRef: ModuleRef): ApplicationConfigLike {
  const { container } = moduleRef as unknown as {
    container?: { applicationConfig?: Partial<ApplicationConfigLike> };
  };
  const config = container?.applicationConfig;
  if (CONFIG_METHODS.every((name) => typeof config?.[name] === 'function'))
    return config as ApplicationConfigLike;
  throw unknownVersion('it has no application configuration');
}

/**
 * True if Nest's pipeline reaches the first interceptor without any effect that a client or the application can see: no
 * guards, no `@Header()`, no choice by host, or by a version outside of the path.
 *
 * Controllers that are made for each request are left to the caller: no metadata tells them.
 */
export function isPlainPipeline(
  app: Pick<ApplicationConfigLike, 'getGlobalGuards' | 'getGlobalRequestGuards' | 'getVersioning'>,
  handler: Function,
  controller: Function,
): boolean {
  const { guards, headers, host, sse } = NEST_METADATA;
  const versioning = app.getVersioning();
  return (
    app.getGlobalGuards().length + app.getGlobalRequestGuards().length === 0 &&
    (versioning === undefined || versioning.type === VersioningType.URI) &&
    isEmpty(Reflect.getMetadata(guards, controller)) &&
    isEmpty(Reflect.getMetadata(guards, handler)) &&
    isEmpty(Reflect.getMetadata(headers, handler)) &&
    Reflect.getMetadata(host, controller) === undefined &&
    Reflect.getMetadata(sse, handler) === undefined
  );
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}

/** A class and a handler without a route, to apply Nest's decorators to. */
interface Probe {
  readonly controller: Function;
  readonly handler: Function;
  decorate(decorator: MethodDecorator): void;
}

function makeProbe(): Probe {
  class ProbeController {
    find(): void {
      // Nothing calls it.
    }
  }
  const prototype = ProbeController.prototype;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, 'find')!;
  return {
    controller: ProbeController,
    handler: descriptor.value as Function,
    decorate: (decorator) => void decorator(prototype, 'find', descriptor),
  };
}

const NO_GUARDS = {
  getGlobalGuards: () => [],
  getGlobalRequestGuards: () => [],
  getVersioning: () => undefined,
};

/** Decorators whose pipeline {@link isPlainPipeline} must refuse. */
const EFFECTS: readonly ((probe: Probe) => void)[] = [
  ({ controller }) => UseGuards({ canActivate: () => true })(controller),
  ({ decorate }) => decorate(UseGuards({ canActivate: () => true })),
  ({ decorate }) => decorate(Header('x-probe', '1')),
  ({ decorate }) => decorate(Sse('probe')),
  ({ controller }) => Controller({ host: 'probe.example' })(controller),
];

/**
 * True if {@link isPlainPipeline} sees the guards and headers that this Nest's decorators write. If it does not, every
 * handler would seem to have none, so that nothing may be answered before the pipeline.
 */
export function canTellPlainPipelines(): boolean {
  return EFFECTS.every((add) => {
    const probe = makeProbe();
    add(probe);
    return !isPlainPipeline(NO_GUARDS, probe.handler, probe.controller);
  });
}

const ARGUMENTS: readonly (readonly [ArgumentKind, ParameterDecorator])[] = [
  ['request', Req()],
  ['body', Body('name')],
  ['query', Query('name')],
  ['param', Param('name')],
  ['header', Headers('name')],
  ['session', Session()],
  ['ip', Ip()],
];

/**
 * Compares the metadata that this file reads with the metadata that this version of Nest writes, since keys and invalidation rely on it.
 *
 * @throws CacheConfigurationError if they differ
 */
export function assertRouteMetadata(): void {
  const { controller, handler, decorate } = makeProbe();
  Controller('probes')(controller);
  decorate(Get('probe'));
  const paths = [...pathsOf(controller), ...pathsOf(handler)].join();
  if (paths !== 'probes,probe' || methodOf(handler) !== 'GET')
    throw unknownVersion('it keeps paths elsewhere');
  decorate(All());
  if (methodOf(handler) !== 'ALL') throw unknownVersion('it keeps the methods of routes elsewhere');
  ARGUMENTS.forEach(([, decorator], index) => decorator(controller.prototype as object, 'find', index));
  const declared = declaredArguments(controller, 'find');
  const areKnown = ARGUMENTS.every(([kind], at) =>
    declared.some((one) => one.index === at && one.kind === kind),
  );
  if (!areKnown) throw unknownVersion('it keeps the arguments of handlers elsewhere');
  if (!mountsProbe(controller)) throw unknownVersion('it keeps the paths of RouterModule elsewhere');
}

function mountsProbe(controller: Function): boolean {
  const modules = new ModulesContainer();
  new RouterModule(modules, [{ path: 'mounted', module: controller as never }]);
  const path: unknown = Reflect.getMetadata(NEST_METADATA.modulePath + modules.applicationId, controller);
  return path === '/mounted';
}

function unknownVersion(why: string): CacheConfigurationError {
  return new CacheConfigurationError(
    'NEST_VERSION',
    `RestflowCacheModule does not know this version of @nestjs/core: ${why}. Use Nest 11 or 12.`,
  );
}

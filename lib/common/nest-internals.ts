import 'reflect-metadata';
import type { NestInterceptor } from '@nestjs/common';
import type { ModuleRef, ModulesContainer } from '@nestjs/core';
import { CacheConfigurationError } from './errors.js';

/** The part of Nest's `ApplicationConfig` that the module needs. */
export interface ApplicationConfigLike {
  getGlobalInterceptors(): NestInterceptor[];
  getGlobalPrefix(): string;
  getGlobalGuards(): readonly unknown[];
  /** Those that are made for each request. */
  getGlobalRequestGuards(): readonly unknown[];
  getVersioning(): object | undefined;
}

/**
 * The configuration of the application. Nest offers no way to put an interceptor before those that other modules
 * register, so this reads the container that every `ModuleRef` holds.
 */
export function applicationConfigOf(moduleRef: ModuleRef): ApplicationConfigLike {
  const { container } = moduleRef as unknown as {
    container?: { applicationConfig?: Partial<ApplicationConfigLike> };
  };
  const config = container?.applicationConfig;
  if (
    config?.getGlobalInterceptors !== undefined &&
    config.getGlobalPrefix !== undefined &&
    config.getGlobalGuards !== undefined &&
    config.getGlobalRequestGuards !== undefined &&
    config.getVersioning !== undefined
  ) {
    return config as ApplicationConfigLike;
  }
  throw new CacheConfigurationError(
    'NEST_VERSION',
    'RestflowCacheModule does not know this version of @nestjs/core: it has no application configuration. Use Nest 11 or 12.',
  );
}

/** Nest stores the path a module is mounted under (`RouterModule`) with this name and the application's id. */
const MODULE_PATH = '__module_path__';

export function modulePaths(modules: ModulesContainer): string[] {
  const paths: string[] = [];
  for (const { metatype } of modules.values()) {
    const path = Reflect.getMetadata(MODULE_PATH + modules.applicationId, metatype as object) as
      string | undefined;
    if (path !== undefined) paths.push(path);
  }
  return paths;
}

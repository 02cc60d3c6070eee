import type { DiscoveryService, ModuleRef } from '@nestjs/core';
import { CacheConfigurationError } from '../common/errors.js';
import type { ResolveInvalidator } from '../invalidation/index.js';

/** Finds the invalidators of rules among the application's providers. */
export function providedInvalidators(moduleRef: ModuleRef, discovery: DiscoveryService): ResolveInvalidator {
  return (type, where) => {
    try {
      return moduleRef.get<object>(type as never, { strict: false });
    } catch (error) {
      const isProvided = discovery.getProviders().some(({ token }) => token === type);
      throw new CacheConfigurationError(
        'INVALIDATOR',
        `${where} has the invalidator ${type.name}, which ${isProvided ? scoped(type) : missing(type)}`,
        { cause: error },
      );
    }
  };
}

function missing({ name }: Function): string {
  return `no module provides. Write @Injectable() on the class, and add ${name} to the providers of a module.`;
}

function scoped({ name }: Function): string {
  return (
    `is request-scoped or transient, or depends on a provider that is: changes are told outside of requests. Make ${name} a ` +
    `singleton, and read what it needs from the change, or from singletons.`
  );
}

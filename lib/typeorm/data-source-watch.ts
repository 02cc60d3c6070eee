import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { OrmDataSource } from './typeorm.interface.js';

/** Receives what becomes of the DataSources of this process. Must not throw. */
export interface DataSourceListener {
  /** initialize() was called. */
  initializing(dataSource: OrmDataSource): void;
  /** initialize() has done its work, and waits for the promise. */
  initialized(dataSource: OrmDataSource): Promise<void> | undefined;
  /** It is about to run a statement. Called for every query runner. */
  using(dataSource: OrmDataSource): void;
  destroyed(dataSource: OrmDataSource): void;
}

const listeners = new Set<DataSourceListener>();
const patched = new WeakSet<object>();

/** Calls the listener from now on. @returns its removal */
export function watchDataSources(listener: DataSourceListener): () => void {
  listeners.add(listener);
  watchLoadedTypeOrm();
  return () => void listeners.delete(listener);
}

/** Watches the class of a DataSource: an application may have loaded several copies of TypeORM. */
export function watchClassOf(dataSource: object): void {
  for (let one: object | null = dataSource; one !== null; one = Object.getPrototypeOf(one) as object | null)
    if (Object.hasOwn(one, 'initialize') && one !== dataSource) return patch(one);
}

/**
 * Watches TypeORM where it is loaded already, found from the working directory and from the file that the process was started with.
 * It is never loaded for this: an application without it would pay for it.
 */
export function watchLoadedTypeOrm(): void {
  const from = [join(process.cwd(), 'index.js'), process.argv[1]].filter((file) => file !== undefined);
  for (const file of from) {
    try {
      const require = createRequire(file);
      const loaded = require.cache[require.resolve('typeorm')]?.exports as
        { DataSource?: { prototype: object } } | undefined;
      if (loaded?.DataSource !== undefined) patch(loaded.DataSource.prototype);
    } catch {
      // Not installed there.
    }
  }
}

interface Patched {
  initialize(...args: unknown[]): Promise<unknown>;
  destroy(...args: unknown[]): Promise<unknown>;
  createQueryRunner(...args: unknown[]): object;
}

/**
 * Relies on TypeORM: `initialize()`, `destroy()` and `createQueryRunner()` are methods of the prototype of DataSource. Where they are
 * not, only DataSources that Nest provides are watched, from the end of their initialisation.
 */
function patch(prototype: object): void {
  const source = prototype as Partial<Patched>;
  const { initialize, destroy, createQueryRunner } = source;
  if (patched.has(prototype) || !initialize || !destroy || !createQueryRunner) return;
  patched.add(prototype);
  source.initialize = async function (this: OrmDataSource, ...args) {
    for (const listener of listeners) listener.initializing(this);
    const result = await initialize.apply(this as never, args);
    for (const listener of listeners) await listener.initialized(this);
    return result;
  };
  source.destroy = async function (this: OrmDataSource, ...args) {
    const result = await destroy.apply(this as never, args);
    for (const listener of listeners) listener.destroyed(this);
    return result;
  };
  source.createQueryRunner = function (this: OrmDataSource, ...args) {
    for (const listener of listeners) listener.using(this);
    return createQueryRunner.apply(this as never, args);
  };
}

import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { Column, DataSource, Entity, JoinTable, ManyToMany, PrimaryColumn, type Relation } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  invalidates,
  type DispatcherProvider,
  type DispatcherSettings,
  type RestflowCacheOptions,
} from '../../../lib/index.js';
import type { CacheRuntime } from '../../../lib/cache/cache-runtime.js';
import { systemClock } from '../../../lib/common/time.js';
import { CACHE_RUNTIME } from '../../../lib/cache/runtime-token.js';
import { TestApplication } from '../../support/application.js';
import { connectionOptions, makeSchema, ownSchema, type DatabaseName } from '../../support/databases.js';

@Entity('dispatched_label')
export class Label {
  @PrimaryColumn() id!: number;
}

@Entity('dispatched_item')
export class Item {
  @PrimaryColumn() id!: number;
  @Column() text!: string;
  @ManyToMany(() => Label) @JoinTable() labels?: Relation<Label[]>;
}

export { until } from '../../support/until.js';
export type { DatabaseName };

/** A DataSource whose schema is this worker's own, and empty; on the server of the run, or another PostgreSQL. */
export async function openDatabase(name: DatabaseName, schema: string, at?: string): Promise<DataSource> {
  const own = ownSchema(schema);
  await makeSchema(name, own, { empty: true, at });
  const options = connectionOptions(name, own, at);
  return new DataSource({ ...options, entities: [Item, Label], synchronize: true }).initialize();
}

/** A cached read of items, whose rule is carried out by the dispatcher of this name. */
export function itemsService(dispatcher: string, rule: object = {}) {
  @Injectable()
  class Items {
    loads = 0;
    source: DataSource | undefined;

    @CacheResult({
      keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
      invalidatesOn: [invalidates(Item, { fieldMapping: { id: 'id' }, dispatcher, ...rule })],
    })
    async text(id: number): Promise<string | undefined> {
      this.loads++;
      return (await this.source?.manager.findOneBy(Item, { id }))?.text;
    }
  }
  return Items;
}

export interface Started {
  readonly app: TestApplication;
  readonly items: InstanceType<ReturnType<typeof itemsService>>;
}

/** An application whose items are invalidated through one dispatcher. */
export async function startItems(
  dispatcher: string,
  given: {
    dispatchers?: readonly DispatcherProvider[];
    settings?: DispatcherSettings;
    dataSource: DataSource;
    rule?: object;
    options?: RestflowCacheOptions;
  },
): Promise<Started> {
  const Items = itemsService(dispatcher, given.rule);
  const app = await TestApplication.start([Items], {
    dispatchers: given.dispatchers ?? [],
    dispatcherSettings: given.settings ?? {},
    dataSources: [given.dataSource],
    // Queues and brokers keep their own time.
    clock: systemClock,
    ...given.options,
  });
  const items = app.get(Items);
  items.source = given.dataSource;
  await app.module.init();
  return { app, items };
}

/** Lets every invalidation of an application fail until it is restored. */
export function failingStore({ module }: TestApplication): { restore(): void } {
  const runtime = module.get<CacheRuntime>(CACHE_RUNTIME);
  const { bump } = runtime;
  runtime.bump = () => Promise.reject(new Error('store down'));
  return { restore: () => void (runtime.bump = bump) };
}

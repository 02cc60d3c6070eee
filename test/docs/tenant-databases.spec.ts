import 'reflect-metadata';
import type { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { CACHE_MISSING, CacheService } from '../../lib/index.js';
import { serverUrl } from '../servers/url.js';
import { codeBlocks, compilerOptions, exportsOf, root } from './code-blocks.js';

type Example = Record<string, Type<any>> & { tenants: AsyncLocalStorage<string> };
const TENANTS = ['acme', 'blue'];

async function example(position: number): Promise<Example> {
  const blocks = codeBlocks(exportsOf(compilerOptions()));
  const page = blocks.filter(({ where }) => where.startsWith('docs/tenant-databases.md'));
  const folder = join(root, '.tmp', 'docs', `tenants-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const file = join(folder, `block-${position}.ts`);
    writeFileSync(file, page[position]!.module.replaceAll("'../../test/", "'../../../test/"));
    return (await import(file)) as Example;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the examples of docs/tenant-databases.md', () => {
  let app: INestApplicationContext | undefined;
  const open: DataSource[] = [];
  afterEach(async () => {
    await app?.close();
    for (const dataSource of open.splice(0)) if (dataSource.isInitialized) await dataSource.destroy();
  });

  /** Which tenants' entries of row 1 and row 2 a write drops. */
  async function dropped(
    { tenants }: Example,
    provider: Type<any>,
    method: string,
    write: () => Promise<unknown>,
  ): Promise<string[]> {
    const cached = app!.get(CacheService).for(provider, method as never) as unknown as {
      get(id: number): Promise<unknown>;
      getCacheOnly(id: number): Promise<unknown>;
    };
    const all = TENANTS.flatMap((tenant) => [1, 2].map((id) => ({ tenant, id })));
    for (const { tenant, id } of all) await tenants.run(tenant, () => cached.get(id));
    await write();
    const gone: string[] = [];
    for (const { tenant, id } of all)
      if ((await tenants.run(tenant, () => cached.getCacheOnly(id))) === CACHE_MISSING)
        gone.push(`${tenant} ${id}`);
    return gone;
  }

  async function boot(module: Type): Promise<void> {
    app = await NestFactory.createApplicationContext(module, { abortOnError: false, logger: false });
  }

  it('keep tenants with a DataSource each apart', async () => {
    const page = await example(0);
    await boot(page['BillingModule']!);
    const databases = app!.get<{ of(tenant: string): Promise<DataSource> }>(page['Databases']!);
    for (const tenant of TENANTS) open.push(await databases.of(tenant));
    const [acme] = open as [DataSource];
    const drops = (write: () => Promise<unknown>) => dropped(page, page['Invoices']!, 'total', write);
    expect(await drops(() => acme.manager.save(page['Invoice']!, { total: 5 }))).toEqual(['acme 1']);
    expect(await drops(() => acme.manager.query('UPDATE invoice SET total = 6'))).toEqual([
      'acme 1',
      'acme 2',
    ]);
  });

  it('keep tenants with a schema each apart', async () => {
    process.env['DATABASE_URL'] = serverUrl('postgres');
    const admin = await new DataSource({ type: 'postgres', url: serverUrl('postgres') }).initialize();
    for (const tenant of TENANTS) {
      await admin.query(`DROP SCHEMA IF EXISTS ${tenant} CASCADE`);
      await admin.query(`CREATE SCHEMA ${tenant}`);
    }
    await admin.destroy();
    const page = await example(1);
    await boot(page['SupportModule']!);
    const schemas = app!.get<{ of(tenant: string): Promise<DataSource> }>(page['Schemas']!);
    for (const tenant of TENANTS) open.push(await schemas.of(tenant));
    const [, blue] = open as [DataSource, DataSource];
    const drops = (write: () => Promise<unknown>) => dropped(page, page['Tickets']!, 'subject', write);
    expect(await drops(() => blue.manager.save(page['Ticket']!, { subject: 'x' }))).toEqual(['blue 1']);
    expect(await drops(() => blue.manager.query("UPDATE blue.ticket SET subject = 'y'"))).toEqual([
      'blue 1',
      'blue 2',
    ]);
  });

  it('keep tenants with a column apart', async () => {
    const page = await example(2);
    await boot(page['ParcelModule']!);
    const { manager } = app!.get(DataSource);
    const drops = (write: () => Promise<unknown>) => dropped(page, page['Parcels']!, 'state', write);
    expect(await drops(() => manager.save(page['Parcel']!, { tenantId: 'acme', state: 'sent' }))).toEqual([
      'acme 1',
    ]);
  });

  it('keep five hundred tenants apart, though each has the same tables', async () => {
    const page = await example(0);
    await boot(page['BillingModule']!);
    const databases = app!.get<{ of(tenant: string): Promise<DataSource> }>(page['Databases']!);
    for (const tenant of TENANTS) open.push(await databases.of(tenant));
    // They have no more than their metadata: 500 databases in memory take gigabytes.
    const Invoice = page['Invoice']!;
    for (let i = 0; i < 498; i++) {
      const dataSource = new DataSource({
        type: 'sqljs',
        extra: { tenant: `tenant-${i}` },
        entities: [Invoice],
      });
      dataSource.driver.connect = async () => undefined;
      dataSource.driver.disconnect = async () => undefined;
      dataSource.driver.afterConnect = async () => undefined;
      open.push(await dataSource.initialize());
    }
    const [acme] = open as [DataSource];
    const drops = (write: () => Promise<unknown>) => dropped(page, page['Invoices']!, 'total', write);
    expect(await drops(() => acme.manager.save(Invoice, { total: 5 }))).toEqual(['acme 1']);
    expect(await drops(() => acme.manager.query('DELETE FROM invoice'))).toEqual(['acme 1', 'acme 2']);
  });
});

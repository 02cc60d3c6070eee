import 'reflect-metadata';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates, type ChangeSource } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { codeBlocks, compilerOptions, exportsOf, root } from './code-blocks.js';

@Entity('ticket')
class Ticket {
  @PrimaryColumn() id!: number;
  @Column() board!: number;
}

@Injectable()
class Tickets {
  loads: string[] = [];
  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Ticket, { fieldMapping: { id: 'id' } })],
  })
  async byId(id: number): Promise<void> {
    this.loads.push(`id ${id}`);
  }
  @CacheResult({
    keyConstructor: { board: new ArgsKeyField('board', { partition: true }) },
    invalidatesOn: [invalidates(Ticket, { fieldMapping: { board: 'board' } })],
  })
  async onBoard(board: number): Promise<void> {
    this.loads.push(`board ${board}`);
  }
}

type Handle = (envelope: object) => Promise<void>;
interface Example {
  DebeziumChanges: new (consume: (handle: Handle) => Promise<() => Promise<void>>) => ChangeSource;
}

async function example(): Promise<Example> {
  const blocks = codeBlocks(exportsOf(compilerOptions()));
  const block = blocks.find(
    ({ where, code }) => where.startsWith('docs/change-sources.md') && code.includes('Envelope'),
  );
  const folder = join(root, '.tmp', 'docs', `changes-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const file = join(folder, 'debezium.ts');
    writeFileSync(file, block!.module.replaceAll("'../../test/", "'../../../test/"));
    return (await import(file)) as Example;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the source of docs/change-sources.md that reads the envelope of Debezium', () => {
  let app: TestApplication;
  let dataSource: DataSource;
  let tell: Handle;
  let hasStopped = false;

  beforeEach(async () => {
    dataSource = await new DataSource({ type: 'sqljs', entities: [Ticket], synchronize: true }).initialize();
    const { DebeziumChanges } = await example();
    const source = new DebeziumChanges(async (handle) => {
      tell = (envelope) => handle({ source: { db: 'shop', schema: 'public', table: 'ticket' }, ...envelope });
      return async () => void (hasStopped = true);
    });
    app = await TestApplication.start([Tickets], { dataSources: [dataSource], changeSources: [source] });
  });
  afterEach(async () => {
    await app.close();
    expect(hasStopped).toBe(true);
    await dataSource.destroy();
  });

  const read = async (): Promise<string[]> => {
    const tickets = app.get(Tickets);
    tickets.loads = [];
    for (const one of [1, 2, 3]) {
      await tickets.byId(one);
      await tickets.onBoard(one);
    }
    return tickets.loads;
  };

  it.each([
    ['an insert', { op: 'c', before: null, after: { id: 1, board: 2 } }, ['id 1', 'board 2']],
    [
      'an update with its old row',
      { op: 'u', before: { id: 1, board: 2 }, after: { id: 1, board: 3 } },
      ['id 1', 'board 2', 'board 3'],
    ],
    [
      'an update without its old row',
      { op: 'u', before: null, after: { id: 1, board: 3 } },
      ['id 1', 'board 1', 'board 2', 'id 2', 'board 3', 'id 3'],
    ],
    ['a delete', { op: 'd', before: { id: 1, board: 2 }, after: null }, ['id 1', 'board 2']],
    [
      'a snapshot',
      { op: 'r', before: null, after: { id: 1, board: 2 } },
      ['id 1', 'board 1', 'id 2', 'board 2', 'id 3', 'board 3'],
    ],
  ])('drops by %s what can have changed, and no more', async (_what, envelope, dropped) => {
    await read();
    await tell(envelope);
    expect((await read()).sort()).toEqual([...dropped].sort());
  });
});

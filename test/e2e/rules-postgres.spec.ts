import 'reflect-metadata';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Param } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  DataSource,
  Entity,
  PrimaryGeneratedColumn,
  type EntityManager,
  type Repository,
} from 'typeorm';
import { CacheResponse, invalidates } from '../../lib/index.js';
import { start, type TestApplication } from '../http/support/application.js';
import { serverUrl } from '../servers/url.js';

@Entity('rules_note')
class Note {
  @PrimaryGeneratedColumn() id!: number;
  @Column() text!: string;
}

@Controller('notes')
class Notes {
  constructor(private readonly dataSource: DataSource) {}

  @Get(':id')
  @CacheResponse({ invalidatesOn: [invalidates(Note, { fieldMapping: { id: 'id' } })] })
  find(@Param('id') id: string): Promise<unknown> {
    return this.dataSource.getRepository(Note).findOneBy({ id: Number(id) });
  }
}

describe('a transaction on a connection of its own', () => {
  let app: TestApplication;
  let notes: Repository<Note>;
  beforeAll(async () => {
    const schema = 'rules';
    const url = serverUrl('postgres');
    const admin = await new DataSource({ type: 'postgres', url }).initialize();
    await admin.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await admin.destroy();
    app = await start('express', {
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url,
          schema,
          entities: [Note],
          dropSchema: true,
          synchronize: true,
        }),
      ],
      controllers: [Notes],
      cache: { setCacheHeaders: true, dataSources: 'auto' },
    });
    notes = app.app.get(DataSource).getRepository(Note);
  });
  afterAll(() => app.close());

  let ids: number[];
  beforeEach(async () => {
    ids = (await notes.save([{ text: 'one' }, { text: 'two' }])).map(({ id }) => id);
    for (const id of ids) await app.get(`/notes/${id}`);
  });
  const read = async (id: number): Promise<string> => {
    const { cache, body } = await app.get(`/notes/${id}`);
    return `${cache} ${(JSON.parse(body) as Note).text}`;
  };

  it('drops nothing when it is rolled back', async () => {
    const write = async (manager: EntityManager): Promise<void> => {
      await manager.save(Note, { id: ids[0]!, text: 'never' });
      await manager.update(Note, { id: ids[1]! }, { text: 'never' });
      throw new Error('no');
    };
    await expect(notes.manager.transaction(write)).rejects.toThrow('no');
    expect([await read(ids[0]!), await read(ids[1]!)]).toEqual(['HIT one', 'HIT two']);
  });

  it('drops what it changed once it is committed, and not before', async () => {
    await notes.manager.transaction(async (manager) => {
      await manager.save(Note, { id: ids[0]!, text: 'soon' });
      expect(await read(ids[0]!)).toBe('HIT one');
    });
    expect([await read(ids[0]!), await read(ids[1]!)]).toEqual(['MISS soon', 'HIT two']);
  });

  it('drops nothing of a savepoint that is rolled back, and what the rest changed', async () => {
    await notes.manager.transaction(async (manager) => {
      await manager.save(Note, { id: ids[0]!, text: 'kept' });
      await manager
        .transaction(async (inner) => {
          await inner.save(Note, { id: ids[1]!, text: 'never' });
          throw new Error('no');
        })
        .catch(() => undefined);
    });
    expect([await read(ids[0]!), await read(ids[1]!)]).toEqual(['MISS kept', 'HIT two']);
  });
});

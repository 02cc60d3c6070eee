import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { IsEmail, IsInt, IsOptional, IsString, ValidateNested } from 'class-validator';
import { Column, DataSource, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { DtoKeyField, EntityKeyField, KeyDefinitionError, KeyPlan } from '../../lib/keys/index.js';
import { describeEntity } from '../../lib/typeorm/entities/entities.js';
import { compile, method, settings, thrownBy } from './support.js';

describe("the shape of an entity's table", () => {
  @Entity()
  class Author {
    @PrimaryGeneratedColumn() id!: number;
  }
  @Entity()
  class Article {
    @PrimaryGeneratedColumn() id!: number;
    @Column({ nullable: true }) title!: string;
    @ManyToOne(() => Author) @JoinColumn() author!: Author;
  }

  async function metadataOf(entity: Function): Promise<unknown> {
    const dataSource = new DataSource({ type: 'sqljs', entities: [Article, Author] });
    await dataSource.initialize();
    const metadata = dataSource.getMetadata(entity as never);
    await dataSource.destroy();
    return metadata;
  }

  const keyFor = (description: unknown) =>
    compile({ shape: new EntityKeyField(Article) }, method(), {}, { describeEntity: () => description }).key({
      args: [],
    });

  it('is one key as long as the table is', async () => {
    expect(keyFor(await metadataOf(Article))).toBe(keyFor(await metadataOf(Article)));
    expect(keyFor(await metadataOf(Article))).toMatch(/^;shape='?[\w-]{22}'?$/);
    expect(keyFor(await metadataOf(Article))).not.toBe(keyFor(await metadataOf(Author)));
  });

  const column = { propertyPath: 'title', databaseName: 'title', type: String, isNullable: false };
  const relation = {
    propertyPath: 'author',
    relationType: 'many-to-one',
    inverseEntityMetadata: { tablePath: 'author' },
  };
  const table = { tablePath: 'article', columns: [column], relations: [relation] };

  it.each<[string, unknown]>([
    [
      'a new column',
      { ...table, columns: [column, { ...column, propertyPath: 'body', databaseName: 'body' }] },
    ],
    ['a renamed column', { ...table, columns: [{ ...column, databaseName: 'name' }] }],
    ['another type', { ...table, columns: [{ ...column, type: Number }] }],
    ['another length', { ...table, columns: [{ ...column, length: '80' }] }],
    ['another nullability', { ...table, columns: [{ ...column, isNullable: true }] }],
    ['another relation', { ...table, relations: [{ ...relation, relationType: 'one-to-one' }] }],
    [
      'another target',
      { ...table, relations: [{ ...relation, inverseEntityMetadata: { tablePath: 'writer' } }] },
    ],
    ['no relation', { ...table, relations: [] }],
    ['a renamed table', { ...table, tablePath: 'articles' }],
  ])('%s makes a new key', (_, changed) => {
    expect(keyFor(changed)).not.toBe(keyFor(table));
  });

  it('a renamed column makes a new key where a data source describes the table', async () => {
    const described = async (property: string): Promise<string> => {
      class Renamed {}
      Entity('renamed')(Renamed);
      PrimaryGeneratedColumn()(Renamed.prototype, 'id');
      Column({ type: 'text' })(Renamed.prototype, property);
      const dataSource = new DataSource({ type: 'sqljs', entities: [Renamed] });
      await dataSource.initialize();
      const key = keyFor(describeEntity(dataSource as never, Renamed));
      await dataSource.destroy();
      return key;
    };
    expect(await described('title')).toBe(await described('title'));
    expect(await described('title')).not.toBe(await described('name'));
  });

  it('does not depend on the order of columns', () => {
    const other = { ...column, propertyPath: 'a' };
    expect(keyFor({ ...table, columns: [column, other] })).toBe(
      keyFor({ ...table, columns: [other, column] }),
    );
  });

  it('is looked up when the application has started, and refused if no DataSource has it', () => {
    const fields = { shape: new EntityKeyField(Article) };
    const plan = KeyPlan.bind(fields, method());
    expect(plan.compile(settings, { describeEntity: () => table }).key({ args: [] })).toBe(keyFor(table));
    for (const act of [
      () => plan.compile(settings),
      () => KeyPlan.bind(fields, method(), { describeEntity: () => undefined }),
    ]) {
      const error = thrownBy(act);
      expect(error).toBeInstanceOf(KeyDefinitionError);
      expect(error.message).toContain(
        'UsersService.find: InlineKeyConstructor: the key field "shape" needs the table of Article, which no data source knows. List the entity in a TypeORM DataSource',
      );
    }
  });
});

describe('the shape of a DTO', () => {
  /** A class as another build would have it. */
  function dto(
    build: (target: { new (): object; prototype: object }) => void,
    make = class UserDto {},
  ): typeof make {
    build(make as never);
    return make;
  }
  function property(
    target: { prototype: object },
    name: string,
    type: unknown,
    ...decorators: PropertyDecorator[]
  ): void {
    for (const decorate of decorators) decorate(target.prototype, name);
    Reflect.defineMetadata('design:type', type, target.prototype, name);
  }
  const keyFor = (target: new () => object) =>
    compile({ shape: new DtoKeyField(target) }, method()).key({ args: [] });
  const base = () => dto((target) => property(target, 'email', String, IsEmail()));

  it('is one key as long as the DTO is, in every build', () => {
    expect(keyFor(base())).toBe(keyFor(base()));
  });

  it.each<[string, () => new () => object]>([
    [
      'a new property',
      () =>
        dto((target) => {
          property(target, 'email', String, IsEmail());
          property(target, 'age', Number, IsInt());
        }),
    ],
    ['a renamed property', () => dto((target) => property(target, 'mail', String, IsEmail()))],
    ['another type', () => dto((target) => property(target, 'email', Number, IsEmail()))],
    ['another validator', () => dto((target) => property(target, 'email', String, IsString()))],
    [
      'an optional property',
      () => dto((target) => property(target, 'email', String, IsEmail(), IsOptional())),
    ],
    [
      'an initialised field',
      () =>
        dto(
          (target) => property(target, 'email', String, IsEmail()),
          class UserDto {
            role = 'user';
          },
        ),
    ],
  ])('%s makes a new key', (_, build) => {
    expect(keyFor(build())).not.toBe(keyFor(base()));
  });

  it('holds nested DTOs, also behind functions, lists and cycles', () => {
    const nest = (inner: Function) => dto((target) => property(target, 'user', inner, ValidateNested()));
    const other = dto((target) => property(target, 'email', Number, IsEmail()));
    expect(keyFor(nest(base()))).toBe(keyFor(nest(base())));
    expect(keyFor(nest(base()))).not.toBe(keyFor(nest(other)));
    const documented = (inner: Function) => {
      const target = class PageDto {};
      return Object.assign(target, {
        _OPENAPI_METADATA_FACTORY: () => ({ items: { type: () => [inner], required: true } }),
      });
    };
    expect(keyFor(documented(base()))).not.toBe(keyFor(documented(other)));
    const circular = dto((target) => property(target, 'parent', target, ValidateNested()));
    expect(keyFor(circular)).toMatch(/^;shape=/);
  });

  it('holds what a base class declares', () => {
    class AdminDto extends base() {}
    expect(keyFor(AdminDto)).toBe(keyFor(base()));
  });

  it('holds what @ApiProperty documents', () => {
    const documented = (type: Function) => {
      class UserDto {}
      Reflect.defineMetadata('swagger/apiModelPropertiesArray', [':name'], UserDto.prototype);
      Reflect.defineMetadata(
        'swagger/apiModelProperties',
        { type, required: true },
        UserDto.prototype,
        'name',
      );
      return UserDto;
    };
    expect(keyFor(documented(String))).toBe(keyFor(documented(String)));
    expect(keyFor(documented(String))).not.toBe(keyFor(documented(Number)));
  });

  it('of which nothing is known is refused', () => {
    class Empty {
      declare name: string;
    }
    expect(() => keyFor(Empty)).toThrow(
      'needs the properties of Empty, of which none is known at run time. Decorate them',
    );
    expect(() => KeyPlan.bind({ shape: new DtoKeyField(undefined as never) }, method())).toThrow(
      'needs a class, but got undefined',
    );
  });

  it('takes the fields of a class whose constructor needs nothing', () => {
    expect(
      keyFor(
        class A {
          a = 1;
        },
      ),
    ).not.toBe(
      keyFor(
        class A {
          a = '';
        },
      ),
    );
    class NeedsArguments {
      constructor(user: { id: number }) {
        Object.assign(this, { id: user.id });
      }
    }
    expect(() => keyFor(NeedsArguments as never)).toThrow('none is known at run time');
  });
});

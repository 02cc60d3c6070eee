import { Injectable, Module, Scope, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AbstractGraphQLDriver,
  Args,
  Context,
  Field,
  type GqlModuleOptions,
  GraphQLModule,
  ID,
  Int,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { graphql, type GraphQLSchema } from 'graphql';
import {
  ArgsKeyField,
  CacheResult,
  CacheService,
  HeadersKeyField,
  KeyConstructor,
  RestflowCacheModule,
} from '../../lib/index.js';

@ObjectType()
class Author {
  @Field(() => ID) id!: string;
  @Field() name!: string;
}

@ObjectType()
class Book {
  @Field(() => ID) id!: string;
  @Field() title!: string;
  @Field(() => Author) author!: Author;
}

let runs: string[] = [];

/** By the parent's id alone, whatever else it holds. */
class ParentKey extends KeyConstructor {
  book = new ArgsKeyField('book', { path: 'id', partition: true });
}

class ReaderKey extends KeyConstructor {
  reader = new HeadersKeyField('x-reader', { identity: true });
}

@Resolver(() => Book)
class BooksResolver {
  @Query(() => Book)
  @CacheResult('1m')
  async book(@Args('id', { type: () => ID }) id: string): Promise<object> {
    runs.push(`book ${id}`);
    return { id, title: `Book ${id}` };
  }

  @ResolveField(() => Author)
  @CacheResult({ ttl: '1m', keyConstructor: ParentKey })
  async author(@Parent() book: Book): Promise<Author> {
    runs.push(`author of ${book.id}`);
    return { id: `a${book.id}`, name: `Author of ${book.id}` };
  }

  @Query(() => String)
  @CacheResult({ ttl: '1m', keyConstructor: ReaderKey })
  async shelf(@Context() { req }: { req: { headers: Record<string, string> } }): Promise<string> {
    runs.push('shelf');
    return `shelf of ${req.headers['x-reader']}`;
  }
}

@Injectable({ scope: Scope.REQUEST })
@Resolver()
class RequestScopedResolver {
  @Query(() => Int)
  @CacheResult({ ttl: '1m', shared: true })
  async count(@Args('genre') genre: string): Promise<number> {
    runs.push(`count ${genre}`);
    return genre.length;
  }
}

/** A GraphQL server without its HTTP: what @nestjs/graphql makes of the resolvers, and who executes it. */
class SchemaDriver extends AbstractGraphQLDriver {
  static schema: GraphQLSchema;
  async start(options: GqlModuleOptions): Promise<void> {
    SchemaDriver.schema = options.schema!;
  }
  async stop(): Promise<void> {}
}

describe('@CacheResult on the resolvers of @nestjs/graphql', () => {
  let app: INestApplication;
  const ask = async (source: string, headers: Record<string, string> = {}): Promise<unknown> => {
    const contextValue = { req: { method: 'POST', headers } };
    const { data, errors } = await graphql({ schema: SchemaDriver.schema, source, contextValue });
    if (errors !== undefined) throw errors[0]!;
    return JSON.parse(JSON.stringify(data));
  };

  beforeAll(async () => {
    @Module({
      imports: [
        RestflowCacheModule.forRoot({ dataSources: false }),
        GraphQLModule.forRoot({ driver: SchemaDriver, autoSchemaFile: true }),
      ],
      providers: [BooksResolver, RequestScopedResolver],
    })
    class AppModule {}
    app = await NestFactory.create(AppModule, new FastifyAdapter(), {
      logger: false,
    });
    await app.init();
  });
  beforeEach(async () => {
    runs = [];
    await app.get(CacheService).clear();
  });
  afterAll(() => app.close());

  it('runs a query once for its arguments', async () => {
    const expected = { book: { title: 'Book 1' } };
    expect([await ask('{ book(id: 1) { title } }'), await ask('{ book(id: 1) { title } }')]).toEqual([
      expected,
      expected,
    ]);
    await ask('{ book(id: 2) { title } }');
    expect(runs).toEqual(['book 1', 'book 2']);
  });

  it('runs a resolved field once for its parent, and drops it by its partition', async () => {
    const query = '{ book(id: 1) { author { name } } }';
    const expected = { book: { author: { name: 'Author of 1' } } };
    expect([await ask(query), await ask(query)]).toEqual([expected, expected]);
    expect(runs).toEqual(['book 1', 'author of 1']);
    await app.get(CacheService).for(BooksResolver, 'author').deletePartition({ book: 1 });
    await ask(query);
    expect(runs).toEqual(['book 1', 'author of 1', 'author of 1']);
  });

  it('runs a method of a request-scoped resolver once for all requests', async () => {
    await ask('{ count(genre: "crime") }');
    expect(await ask('{ count(genre: "crime") }')).toEqual({ count: 5 });
    expect(runs).toEqual(['count crime']);
  });

  it('tells readers apart by the request in the context', async () => {
    const as = (reader: string): Promise<unknown> => ask('{ shelf }', { 'x-reader': reader });
    expect([await as('ann'), await as('bob'), await as('ann')]).toEqual([
      { shelf: 'shelf of ann' },
      { shelf: 'shelf of bob' },
      { shelf: 'shelf of ann' },
    ]);
    expect(runs).toEqual(['shelf', 'shelf']);
  });
});

import { Injectable, Module, type Type } from '@nestjs/common';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  ArgsKeyField,
  CacheConfigurationError,
  CacheResult,
  InvalidatesOnEvent,
  KeyConstructor,
  memoryStore,
} from '../../lib/index.js';
import { invalidationEvents } from '../../lib/microservices.js';
import { TestApplication } from '../support/application.js';
import { settled } from '../support/gate.js';

class UserKey extends KeyConstructor {
  user = new ArgsKeyField('userId', { partition: true });
}

interface UserUpdated {
  readonly id: number;
}

@Injectable()
class UsersService {
  loads = 0;

  @CacheResult({ keyConstructor: UserKey, tags: ['users'] })
  @InvalidatesOnEvent('user.updated', { partition: ({ id }: UserUpdated) => ({ user: id }) })
  @InvalidatesOnEvent('users.imported')
  async find(userId: number | string): Promise<string> {
    return `${userId} ${++this.loads}`;
  }
}

const merged = Symbol('merged');

@Injectable()
@InvalidatesOnEvent('user.renamed', {
  of: () => UsersService,
  method: 'find',
  partition: (event: UserUpdated) => ({ user: event.id }),
})
@InvalidatesOnEvent(merged, { tags: (one: string, two: string) => [one, two] })
class Listeners {}

/** Reads the cache when the event comes, as any listener may. */
@Injectable()
class Reader {
  seen: string[] = [];
  constructor(readonly users: UsersService) {}

  @OnEvent('user.updated')
  async read({ id }: UserUpdated): Promise<void> {
    this.seen.push(await this.users.find(id));
  }
}

const emitter = [EventEmitterModule.forRoot({ global: true })];

describe('@InvalidatesOnEvent with @nestjs/event-emitter', () => {
  let app: TestApplication;
  afterEach(() => app.close());

  const start = async (providers: Type[] = [UsersService], imports: object[] = emitter): Promise<void> => {
    app = await TestApplication.start(providers, {}, imports as never);
  };
  const emit = (event: string | symbol, ...args: unknown[]): Promise<unknown> =>
    app.get(EventEmitter2).emitAsync(event, ...args);
  const both = (): Promise<string[]> => Promise.all([1, 2].map((id) => app.get(UsersService).find(id)));

  it('drops the partition that the event names, before emitAsync() returns', async () => {
    await start();
    expect(await both()).toEqual(['1 1', '2 2']);
    await emit('user.updated', { id: 1 });
    expect(await both()).toEqual(['1 3', '2 2']);
  });

  it('drops from memory before emit() returns', async () => {
    await start();
    await both();
    app.get(EventEmitter2).emit('user.updated', { id: 1 });
    expect(await both()).toEqual(['1 3', '2 2']);
  });

  it('drops before another listener of the event reads', async () => {
    await start([Reader, UsersService]);
    await both();
    await emit('user.updated', { id: 2 });
    expect(app.get(Reader).seen).toEqual(['2 3']);
  });

  it('drops the entries of readers who spell the value in another way', async () => {
    await start();
    const users = app.get(UsersService);
    expect(await users.find(' 01')).toBe(' 01 1');
    await emit('user.updated', { id: 1 });
    expect(await users.find(' 01')).toBe(' 01 2');
  });

  it('drops all of a method, what a class names, and tags from what the event carries', async () => {
    await start([UsersService, Listeners]);
    await both();
    await emit('users.imported');
    expect(await both()).toEqual(['1 3', '2 4']);
    await emit('user.renamed', { id: 2 });
    expect(await both()).toEqual(['1 3', '2 5']);
    await emit(merged, 'others', 'users');
    expect(await both()).toEqual(['1 6', '2 7']);
  });

  it('hears events through the wildcards of the emitter', async () => {
    @Injectable()
    @InvalidatesOnEvent('order.*', { tags: ['users'] })
    class Orders {}
    await start([UsersService, Orders], [EventEmitterModule.forRoot({ wildcard: true })]);
    await both();
    await emit('order.paid', {});
    expect(await both()).toEqual(['1 3', '2 4']);
  });

  it.each([[undefined], [{}], [{ id: undefined }], [null]])(
    'drops everything of the method, and says why, for an event that carries %j',
    async (payload) => {
      await start();
      await both();
      await emit('user.updated', payload);
      expect(await both()).toEqual(['1 3', '2 4']);
      expect(app.log.errors.join()).toContain(
        "@InvalidatesOnEvent('user.updated') on UsersService.find could not tell the partition of an event, so everything that " +
          'UsersService.find cached is dropped',
      );
    },
  );

  it('does not fail who emits an event whose tags cannot be told, and logs it', async () => {
    @Injectable()
    @InvalidatesOnEvent('moved', { tags: () => 'users' as never })
    class Mover {}
    await start([UsersService, Mover]);
    await emit('moved');
    expect(app.log.errors.join()).toMatch(
      /@InvalidatesOnEvent\('moved'\) on Mover failed: .*did not return a list of texts/,
    );
  });

  it('drops again and again without harm, and no more after the shutdown', async () => {
    await start();
    await both();
    await Promise.all([emit('user.updated', { id: 1 }), emit('user.updated', { id: 1 })]);
    expect(await both()).toEqual(['1 3', '2 2']);
    const bus = app.get(EventEmitter2);
    await app.close();
    expect(bus.listeners('user.updated')).toEqual([]);
  });

  it('drops again later when the store failed, and does not fail who emits', async () => {
    const memory = memoryStore();
    const broken = new Error('the store is full');
    const bump = jest.spyOn(memory, 'bump').mockImplementationOnce(() => Promise.reject(broken));
    app = await TestApplication.start([UsersService], { store: memory }, emitter as never);
    await both();
    await emit('user.updated', { id: 1 });
    expect(app.log.errors.join()).toContain(
      "@InvalidatesOnEvent('user.updated') on UsersService.find failed",
    );
    await app.clock.advance(1_000);
    await settled();
    expect(bump).toHaveBeenCalledTimes(2);
    expect(await both()).toEqual(['1 3', '2 2']);
  });

  it('warns of an event that nothing brings to this process', async () => {
    await start([UsersService], []);
    expect(app.log.warnings.join('\n')).toContain(
      "@InvalidatesOnEvent('user.updated') on UsersService.find invalidates nothing in this process: it gets no event 'user.updated'. " +
        'Import EventEmitterModule.forRoot() of @nestjs/event-emitter, or in a microservice add controllers: [invalidationEvents({ of: [UsersService] })].',
    );
    await app.close();
    @Module({ controllers: [invalidationEvents({ of: [UsersService] })] })
    class EventsModule {}
    await start([UsersService], [EventsModule]);
    expect(app.log.warnings.join('\n')).not.toContain('InvalidatesOnEvent');
  });

  it('refuses to boot for a method that is not cached', async () => {
    @Injectable()
    class Plain {
      @InvalidatesOnEvent('user.updated')
      async find(): Promise<void> {}
    }
    await expect(start([Plain])).rejects.toThrow(
      /@InvalidatesOnEvent\('user\.updated'\) on Plain\.find names Plain\.find, which is not cached in this application/,
    );
    await start([]);
  });
});

describe('what @InvalidatesOnEvent refuses', () => {
  const on = (event: unknown, options?: object, method?: string): void => {
    const decorate = InvalidatesOnEvent(event as string, options) as (...args: unknown[]) => void;
    if (method === undefined) decorate(Listeners);
    else decorate(UsersService.prototype, method, { value: () => 1 });
  };

  it.each<[unknown, object | undefined, string | undefined, RegExp]>([
    ['', {}, 'find', /was given the event ''\. Write its name/],
    [undefined, {}, 'find', /UsersService\.find was given the event undefined/],
    [{}, {}, 'find', /was given the event an object/],
    ['a', undefined, undefined, /'a'\) on Listeners does not say what to drop\. Write it on a cached method/],
    ['a', { partition: () => ({}) }, undefined, /on Listeners does not say what to drop/],
    ['a', { of: UsersService }, undefined, /does not say what to drop/],
    ['a', { method: 'find' }, 'find', /does not say what to drop/],
    ['a', { tag: ['a'] }, 'find', /unknown option tag\. Did you mean tags\?/],
    ['a', { tags: 'a' }, 'find', /tags is 'a'\. Write a list of texts/],
    [
      'a',
      { tags: ['a'], mode: 'purg' },
      'find',
      /mode is 'purg'\. Write 'purge' \(the default\) or 'expire'/,
    ],
    ['a', { partition: { user: 1 } }, 'find', /partition is an object\. Write a function/],
  ])('the event %p with %p on %p', (event, options, method, message) => {
    expect(() => on(event, options, method)).toThrow(CacheConfigurationError);
    expect(() => on(event, options, method)).toThrow(message);
  });

  it('a controller for classes without events, or without classes', () => {
    expect(() => invalidationEvents({ of: [Reader] })).toThrow(
      /was given Reader, which invalidates on no event/,
    );
    expect(() => invalidationEvents({ of: [] })).toThrow(/of is \[\]\. Write a list of classes/);
    expect(() => invalidationEvents({} as never)).toThrow(/of is missing/);
  });
});

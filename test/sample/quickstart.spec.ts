import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from '../../sample/01-quickstart/src/app.module.js';

const ARTICLE = '/articles/the-quiet-harbour';
const OTHER = '/articles/the-quiet-bridge';

describe.each(['express', 'fastify'])('the quickstart on %s', (platform) => {
  let app: INestApplication;
  let url: string;

  beforeEach(async () => {
    const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    app = await NestFactory.create(AppModule, adapter, { abortOnError: false, logger: ['error'] });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterEach(() => app.close());

  async function request(path: string, init: RequestInit = {}) {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const body: any = text === '' ? undefined : JSON.parse(text);
    return {
      code: response.status,
      cache: response.headers.get('x-cache-status'),
      body,
      headers: response.headers,
    };
  }
  const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  const write = (method: string, path: string, body: unknown) =>
    request(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

  /** Reads until the answer comes from the cache, so that what follows says whether it still does. */
  async function cached(path: string, init?: RequestInit) {
    await request(path, init);
    expect(await request(path, init)).toMatchObject({ code: 200, cache: 'HIT' });
  }

  it('answers a second read from the cache, with the same body and headers', async () => {
    const first = await request(ARTICLE);
    const second = await request(ARTICLE);
    expect([first.code, first.cache]).toEqual([200, 'MISS']);
    expect([second.code, second.cache]).toEqual([200, 'HIT']);
    expect(second.body).toEqual(first.body);
    expect(first.body).toMatchObject({ title: 'The quiet harbour', author: 'Ada', tags: expect.any(Array) });
    expect(first.body.comments).toHaveLength(2);
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(second.headers.get('x-cache-reset-at')).not.toBeNull();
  });

  it('shows a PATCH in the next read of the article and of every list, while other articles stay hits', async () => {
    const lists = ['/articles', '/articles?author=ada', '/articles?page=2'];
    for (const path of [ARTICLE, OTHER, ...lists]) await cached(path);
    expect((await write('PATCH', ARTICLE, { title: 'The loud harbour' })).code).toBe(200);

    expect(await request(ARTICLE)).toMatchObject({ cache: 'MISS', body: { title: 'The loud harbour' } });
    expect((await request(lists[0]!)).body.articles[0].title).toBe('The loud harbour');
    for (const path of lists.slice(1)) expect((await request(path)).cache).toBe('MISS');
    expect((await request(OTHER)).cache).toBe('HIT');
    expect((await request(ARTICLE)).cache).toBe('HIT');
  });

  it('shows a comment in the next read of its article, while other articles and the lists stay hits', async () => {
    for (const path of [ARTICLE, OTHER, '/articles']) await cached(path);
    expect((await write('POST', `${ARTICLE}/comments`, { name: 'Alan', text: 'Indeed.' })).code).toBe(201);

    const read = await request(ARTICLE);
    expect(read.cache).toBe('MISS');
    expect(read.body.comments[2]).toEqual({ name: 'Alan', text: 'Indeed.' });
    expect((await request(OTHER)).cache).toBe('HIT');
    expect((await request('/articles')).cache).toBe('HIT');
  });

  it('shows new tags in the next read of the article and of the lists by tag', async () => {
    for (const path of [ARTICLE, '/articles?tag=code', '/articles?tag=sea']) await cached(path);
    const before = await request('/articles?tag=code');
    expect((await write('PUT', `${ARTICLE}/tags`, { tags: ['code', 'sea'] })).code).toBe(200);

    expect((await request(ARTICLE)).body.tags).toEqual(['code', 'sea']);
    expect((await request('/articles?tag=code')).body.total).toBe(before.body.total + 1);
    expect((await request('/articles?tag=sea')).body).toMatchObject({
      total: 1,
      articles: [{ slug: 'the-quiet-harbour' }],
    });
    await write('PUT', `${ARTICLE}/tags`, { tags: [] });
    expect((await request(ARTICLE)).body.tags).toEqual([]);
    expect((await request('/articles?tag=sea')).body.total).toBe(0);
  });

  it('caches the drafts of each author, and never answers one with those of another', async () => {
    expect((await request('/drafts')).code).toBe(401);
    await cached('/drafts', as('ada-token'));
    const ada = (await request('/drafts', as('ada-token'))).body;
    const grace = await request('/drafts', as('grace-token'));
    expect(grace.cache).toBe('MISS');
    expect(ada.length).toBeGreaterThan(0);
    expect(grace.body.length).toBeGreaterThan(0);
    expect(grace.body.filter(({ slug }: any) => ada.some((draft: any) => draft.slug === slug))).toEqual([]);
    expect((await request('/drafts')).code).toBe(401);
    expect(await request('/drafts', as('nobody'))).toMatchObject({ code: 401, cache: null });
  });

  it('drops the drafts of the author whose draft changed, and no other', async () => {
    await cached('/drafts', as('ada-token'));
    await cached('/drafts', as('grace-token'));
    const [draft] = (await request('/drafts', as('ada-token'))).body;
    await cached('/articles');
    const { total } = (await request('/articles')).body;

    await write('PATCH', `/articles/${draft.slug}`, { title: 'Still a draft' });
    expect((await request('/drafts', as('ada-token'))).body[0].title).toBe('Still a draft');
    expect((await request('/drafts', as('grace-token'))).cache).toBe('HIT');
    expect((await request('/articles')).cache).toBe('HIT');

    expect((await request(`/articles/${draft.slug}`)).code).toBe(404);
    await write('PATCH', `/articles/${draft.slug}`, { status: 'published' });
    expect((await request('/drafts', as('ada-token'))).body).not.toContainEqual(
      expect.objectContaining({ slug: draft.slug }),
    );
    expect((await request('/articles')).body.total).toBe(total + 1);
    expect((await request(`/articles/${draft.slug}`)).code).toBe(200);
    expect((await request('/drafts', as('grace-token'))).cache).toBe('HIT');
  });

  it('refuses what the DTOs refuse, and answers 404 for what is not there', async () => {
    expect((await write('PATCH', ARTICLE, { title: '' })).code).toBe(400);
    expect((await write('PUT', `${ARTICLE}/tags`, { tags: 'code' })).code).toBe(400);
    expect((await request('/articles?page=0')).code).toBe(400);
    for (const _ of [1, 2])
      expect(await request('/articles/nothing')).toMatchObject({ code: 404, cache: 'MISS' });
  });
});

import { Controller, Get, Header, HttpCode, HttpStatus, Redirect, Res, StreamableFile } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Readable } from 'node:stream';
import { of } from 'rxjs';
import { platforms, start, type TestApp } from './support/apps.js';
import { essence, fetchRaw } from './support/wire.js';

interface AnyResponse extends NodeJS.WritableStream {
  raw?: AnyResponse;
  setHeader(name: string, value: string): void;
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
  send(body: unknown): AnyResponse;
  json(body: unknown): AnyResponse;
}

const bytes = Buffer.from([0, 1, 2, 253, 254, 255]);

@Controller()
class Bodies {
  @Get('object') object() {
    return { id: 1, name: 'Ünïcødé' };
  }
  @Get('array') array() {
    return [1, 2];
  }
  @Get('string') string() {
    return 'Grüße';
  }
  @Get('html') @Header('Content-Type', 'text/html') html() {
    return '<p>hi</p>';
  }
  @Get('number') number() {
    return 42;
  }
  @Get('null') null() {
    return null;
  }
  @Get('undefined') undefined() {
    return undefined;
  }
  @Get('empty') empty() {
    return '';
  }
  @Get('observable') observable() {
    return of({ late: true });
  }
  @Get('file') file() {
    return new StreamableFile(bytes, {
      type: 'application/pdf',
      disposition: 'attachment; filename="a.pdf"',
    });
  }
  @Get('file-stream') fileStream() {
    return new StreamableFile(Readable.from([Buffer.from('one,'), Buffer.from('two')]), { type: 'text/csv' });
  }
  @Get('generator') async *generator() {
    yield 'first,';
    yield 'second';
  }
  @Get('web-response') webResponse() {
    return new Response('from a Response', { status: 203, headers: { 'X-From': 'response' } });
  }
  @Get('buffer') buffer(@Res() response: AnyResponse) {
    response.header('Content-Type', 'image/png').send(bytes);
  }
  @Get('res-send') resSend(@Res() response: AnyResponse) {
    response.status(203).send({ by: 'hand' });
  }
  @Get('passthrough') passthrough(@Res({ passthrough: true }) response: AnyResponse) {
    response.status(203).header('X-Extra', 'yes');
    return { by: 'nest' };
  }
  @Get('piped') piped(@Res() response: AnyResponse) {
    const raw = response.raw ?? response;
    raw.setHeader('Content-Type', 'text/plain');
    Readable.from(['a'.repeat(70_000), 'b'.repeat(70_000)]).pipe(raw);
  }
  @Get('sent-stream') sentStream(@Res() response: AnyResponse) {
    const source = Readable.from([Buffer.from('str'), Buffer.from('eam')]);
    if (response.raw) response.header('Content-Type', 'text/plain').send(source);
    else source.pipe(response.header('Content-Type', 'text/plain'));
  }
  @Get('http-code') @HttpCode(203) httpCode() {
    return { partial: true };
  }
  @Get('header') @Header('Cache-Control', 'public') @Header('X-Fixed', 'yes') header() {
    return { fixed: true };
  }
  @Get('no-content') @HttpCode(HttpStatus.NO_CONTENT) noContent() {
    return undefined;
  }
  @Get('redirect') @Redirect('/elsewhere', 301) redirect() {
    return undefined;
  }
  @Get('redirect-dynamic') @Redirect('/elsewhere', 301) redirectDynamic() {
    return { url: '/over-there', statusCode: 308 };
  }
}

const paths = [
  'object',
  'array',
  'string',
  'html',
  'number',
  'null',
  'undefined',
  'empty',
  'observable',
  'file',
  'file-stream',
  'generator',
  'web-response',
  'buffer',
  'res-send',
  'passthrough',
  'piped',
  'sent-stream',
  'http-code',
  'header',
  'no-content',
  'redirect',
  'redirect-dynamic',
];

describe.each(platforms)('a replay on %s', (platform) => {
  let app: TestApp;
  beforeAll(async () => void (app = await start(platform, Bodies)));
  afterAll(() => app.close());

  it.each(paths)('is what the handler sent, on the wire: %s', async (path) => {
    const before = app.recorder.recordings.length;
    const miss = await fetchRaw(app.port, `/${path}`);
    const recordings = await app.recorder.settled(before + 1);
    const hit = await fetchRaw(app.port, `/${path}`);
    const again = await fetchRaw(app.port, `/${path}`);

    expect(recordings).toHaveLength(before + 1);
    expect(recordings.at(-1)?.refusal).toBeUndefined();
    expect(essence(hit)).toEqual(essence(miss));
    expect(essence(again)).toEqual(essence(miss));
    if (hit.status !== 204) expect(hit.get('content-length')).toBe(String(miss.body.length));
    expect(app.complaints).toEqual([]);
  });

  it.each(paths)('answers HEAD with the head of the GET and the length of its body: %s', async (path) => {
    const full = await fetchRaw(app.port, `/${path}`);
    await app.recorder.settled(1);
    const head = await fetchRaw(app.port, `/${path}`, { method: 'HEAD' });

    expect(head.body).toHaveLength(0);
    expect(essence(head)).toEqual({ ...essence(full), body: '' });
    // Fastify's own HEAD routes say 0 for a 204, with or without us.
    if (full.status !== 204) expect(head.get('content-length')).toBe(String(full.body.length));
    expect(app.complaints).toEqual([]);
  });

  it('emits one value that no outer interceptor can misread', () => {
    expect(new Set(app.recorder.emitted)).toEqual(new Set([undefined]));
  });

  it('knows the pattern of the route', async () => {
    await fetchRaw(app.port, '/object');
    expect(app.recorder.patterns.at(-1)).toBe('/object');
  });
});

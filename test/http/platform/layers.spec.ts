import { Controller, Get, Redirect, Render, Res, StreamableFile } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:http2';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { map, type Observable } from 'rxjs';
import { platforms, start, type TestApp } from './support/apps.js';
import { compression } from './support/compression.js';
import { pause } from './support/recorder.js';
import { essence, fetchRaw } from './support/wire.js';

type Handle = { handle(): Observable<unknown> };
interface Reply {
  raw: {
    setHeader(name: string, value: string): void;
    writeHead(status: number, headers: object): void;
    write(chunk: string): void;
    end(chunk?: string): void;
  };
  hijack(): void;
  header(name: string, value: string): Reply;
  removeHeader(name: string): void;
  status(code: number): Reply;
  send(payload?: unknown): unknown;
}

@Controller()
class Layers {
  @Get('json') json() {
    return { id: 1, text: 'x'.repeat(200) };
  }
  @Get('stream') stream() {
    return new StreamableFile(Readable.from([Buffer.from('st'), Buffer.from('ream')]), {
      type: 'text/plain',
    });
  }
  @Get('redirect') @Redirect('/elsewhere', 301) redirect() {
    return undefined;
  }
  @Get('redirect-dynamic') @Redirect('/elsewhere', 301) redirectDynamic() {
    return { url: '/over-there', statusCode: 308 };
  }
  @Get('status') status(@Res({ passthrough: true }) response: Reply) {
    response.status(203);
    return { ok: true };
  }
  @Get('view') @Render('page') view() {
    return { title: 'hello' };
  }
  @Get('hijacked') hijacked(@Res() reply: Reply) {
    reply.header('X-Through-Reply', 'never sent');
    reply.hijack();
    reply.raw.writeHead(203, { 'X-Raw': 'yes', 'Content-Type': 'text/plain' });
    reply.raw.write('by ');
    reply.raw.end('hand');
  }
}

let app: TestApp;
afterEach(() => app.close());

const gzip = { headers: { 'Accept-Encoding': 'gzip' } };

describe('compression middleware on express', () => {
  it.each(['/json', '/stream'])(
    'works below the recording, so each client gets the bytes it asked for: %s',
    async (path) => {
      app = await start('express', Layers, { middleware: [compression as never] });
      const miss = await fetchRaw(app.port, path, gzip);
      const [recording] = await app.recorder.settled(1);
      const hit = await fetchRaw(app.port, path, gzip);
      const plain = await fetchRaw(app.port, path);

      expect([
        miss.get('content-encoding'),
        hit.get('content-encoding'),
        plain.get('content-encoding'),
      ]).toEqual(['gzip', 'gzip', undefined]);
      expect(gunzipSync(hit.body)).toEqual(gunzipSync(miss.body));
      expect(plain.body).toEqual(gunzipSync(miss.body));
      expect(recording?.response?.body).toEqual(plain.body);
      expect(JSON.stringify(recording?.response?.headers)).not.toContain('gzip');
      expect(plain.get('vary')).toBe('Accept-Encoding');
      expect(essence(hit)).toEqual(essence(miss));
    },
  );
});

const zipPayload = async (_request: unknown, reply: Reply, payload: unknown) => {
  await pause(1);
  if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return payload;
  reply.header('content-encoding', 'gzip');
  return gzipSync(payload);
};

describe('hooks on fastify', () => {
  type Hooked = { addHook(name: 'onSend', hook: unknown): void };

  it('compress a replay as they compress the recorded response', async () => {
    app = await start('fastify', Layers, {
      setup: (_app, instance: Hooked) => instance.addHook('onSend', zipPayload),
    });
    const miss = await fetchRaw(app.port, '/json');
    const [recording] = await app.recorder.settled(1);
    const hit = await fetchRaw(app.port, '/json');
    expect(miss.get('content-encoding')).toBe('gzip');
    expect(essence(hit)).toEqual(essence(miss));
    expect(hit.get('content-length')).toBe(miss.get('content-length'));
    expect(recording?.response?.body.toString()).toContain('"id":1');
    expect(app.complaints).toEqual([]);
  });

  it('that replace the payload by a stream do so on a replay', async () => {
    const asStream = (
      _request: unknown,
      _reply: unknown,
      payload: string | Buffer,
      next: (error: null, payload: unknown) => void,
    ) => next(null, Readable.from([Buffer.from(payload), Buffer.from('!')]));
    app = await start('fastify', Layers, {
      setup: (_app, instance: Hooked) => instance.addHook('onSend', asStream),
    });
    const miss = await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    expect(essence(await fetchRaw(app.port, '/json'))).toEqual(essence(miss));
  });

  it.each(['/status', '/redirect', '/redirect-dynamic'])(
    'may take their time: the reply of Nest does not touch the replay: %s',
    async (path) => {
      app = await start('fastify', Layers, {
        setup: (_app, instance: Hooked) => instance.addHook('onSend', () => pause(20)),
      });
      const miss = await fetchRaw(app.port, path);
      await app.recorder.settled(1);
      expect(essence(await fetchRaw(app.port, path))).toEqual(essence(miss));
      expect(app.complaints).toEqual([]);
    },
  );

  it('may set the status of a replay, before and after the reply of Nest', async () => {
    const late = async (_request: unknown, reply: Reply) => {
      reply.status(202);
      await pause(10);
      reply.header('x-late', '1').status(201);
    };
    app = await start('fastify', Layers, {
      setup: (_app, instance: Hooked) => instance.addHook('onSend', late),
    });
    await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    const hit = await fetchRaw(app.port, '/json');
    expect([hit.status, hit.get('x-late')]).toEqual([201, '1']);
  });

  it.each([0, 10])(
    'that fail have the error handler answer, on a miss and on a replay (after %i ms)',
    async (delay) => {
      let broken = false;
      let answering = false;
      const failing = async () => {
        if (!broken || answering) return;
        if (delay) await pause(delay);
        answering = true;
        throw new Error('the hook broke');
      };
      app = await start('fastify', Layers, {
        setup: (_app, instance: Hooked) => instance.addHook('onSend', failing),
      });
      await fetchRaw(app.port, '/json');
      await app.recorder.settled(1);
      broken = true;
      const hit = await fetchRaw(app.port, '/json');
      answering = false;
      const miss = await fetchRaw(app.port, '/json?other');
      expect([hit.status, miss.status]).toEqual([500, 500]);
      expect(hit.body.toString()).toContain('Internal server error');
      expect(miss.get('x-ours')).toBeUndefined();
      expect(await app.recorder.settled(2)).toHaveLength(2);
      expect(app.recorder.heads).toHaveLength(2);
    },
  );

  it('run once for a replay', async () => {
    let calls = 0;
    const count = async () => void calls++;
    app = await start('fastify', Layers, {
      setup: (_app, instance: Hooked) => instance.addHook('onSend', count),
    });
    await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    calls = 0;
    await fetchRaw(app.port, '/json');
    await pause(10);
    expect(calls).toBe(1);
  });
});

describe('fastify', () => {
  it('replays a response that a hijacked reply wrote on the raw response', async () => {
    app = await start('fastify', Layers);
    const miss = await fetchRaw(app.port, '/hijacked');
    await app.recorder.settled(1);
    const hit = await fetchRaw(app.port, '/hijacked');
    expect([hit.status, hit.get('x-raw'), hit.get('x-through-reply')]).toEqual([203, 'yes', undefined]);
    expect(essence(hit)).toEqual(essence(miss));
    expect(app.complaints).toEqual([]);
  });

  it.each(['/json', '/stream'])('replays over HTTP/2: %s', async (path) => {
    app = await start('fastify', Layers, { http2: true });
    const session = connect(`http://127.0.0.1:${app.port}`);
    const fetch2 = async () => {
      const stream = session.request({ ':path': path });
      const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
      const body = Buffer.concat(await stream.toArray());
      return {
        status: head[':status'],
        type: head['content-type'],
        connection: head['connection'],
        body: body.toString(),
      };
    };
    const miss = await fetch2();
    const recordings = await app.recorder.settled(1);
    const hit = await fetch2();
    session.close();
    expect(recordings[0]?.refusal).toBeUndefined();
    expect(hit).toEqual(miss);
    expect(app.complaints).toEqual([]);
  });
});

describe('express', () => {
  it('replays a rendered view without rendering it', async () => {
    let rendered = 0;
    const engine = (_path: string, options: { title: string }, done: (error: null, html: string) => void) => {
      rendered++;
      done(null, `<h1>${options.title}</h1>`);
    };
    app = await start('express', Layers, {
      setup: (
        _app,
        instance: { engine(name: string, engine: unknown): void; set(name: string, value: unknown): void },
      ) => {
        instance.engine('html', engine);
        instance.set('view engine', 'html');
        instance.set('views', new URL('./support', import.meta.url).pathname);
      },
    });
    const miss = await fetchRaw(app.port, '/view');
    await app.recorder.settled(1);
    const hit = await fetchRaw(app.port, '/view');
    await pause(10);
    expect(miss.body.toString()).toBe('<h1>hello</h1>');
    expect(essence(hit)).toEqual(essence(miss));
    expect(rendered).toBe(1);
    expect(app.complaints).toEqual([]);
  });

  it('lets loggers read the status that was replayed', async () => {
    const logged: number[] = [];
    const log = (
      _request: unknown,
      response: { statusCode: number; on(event: 'finish', listener: () => void): void },
      next: () => void,
    ) => {
      response.on('finish', () => logged.push(response.statusCode));
      next();
    };
    app = await start('express', Layers, { middleware: [log as never] });
    await fetchRaw(app.port, '/redirect-dynamic');
    await app.recorder.settled(1);
    await fetchRaw(app.port, '/redirect-dynamic');
    expect(logged).toEqual([308, 308]);
  });
});

describe.each(platforms)('an interceptor outside on %s', (platform) => {
  it('that wraps every value does not have a replay sent twice', async () => {
    const envelope = {
      intercept: (_context: unknown, next: Handle) => next.handle().pipe(map((data) => ({ data }))),
    };
    app = await start(platform, Layers, { interceptorsOutside: [envelope] });
    const miss = await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    const hit = await fetchRaw(app.port, '/json');
    await pause(10);
    expect(miss.body.toString()).toContain('"data"');
    expect(essence(hit)).toEqual(essence(miss));
    expect(app.complaints).toEqual([]);
  });
});

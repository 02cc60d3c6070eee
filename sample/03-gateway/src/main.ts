import 'reflect-metadata';
import { createGateway } from './gateway.js';

const port = Number(process.env['PORT'] ?? 8080);
const origin = process.env['ORIGIN'] ?? 'http://127.0.0.1:8000';
const platform = process.env['PLATFORM'] === 'fastify' ? 'fastify' : 'express';

const app = await createGateway(platform, { origin });
app.enableShutdownHooks();
await app.listen(port, process.env['HOST'] ?? '127.0.0.1');
console.log(`A shared cache for ${origin} listens on ${await app.getUrl()} (${platform}).`);

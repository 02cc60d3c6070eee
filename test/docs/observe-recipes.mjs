// Runs the copy of the library to which the recipes of CONTRIBUTING.md were applied, and prints what each of them changed.
import 'reflect-metadata';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Controller, Get, Module, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

const from = (file) => import(pathToFileURL(join(process.argv[2], file)).href);
const { CacheResponse, CacheService, LanguageKeyField, NextTurnDispatcher, RestflowCacheModule } =
  await from('index.js');
const { dialectOf, isKnownType } = await from('typeorm/dialects.js');
const { METRIC_FAMILIES } = await from('observability/metric-families.js');

/** Decorates by hand: Node runs no decorators. */
function decorate(type, name, ...decorators) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  for (const decorator of decorators.reverse()) decorator(type.prototype, name, descriptor);
  Object.defineProperty(type.prototype, name, descriptor);
}

class GreetingController {
  async greet(response) {
    response.setHeader('X-Served-By', 'node-1');
    return { text: 'hello' };
  }
}
decorate(
  GreetingController,
  'greet',
  CacheResponse({ ttl: 60, keyConstructor: { language: new LanguageKeyField() } }),
  Get('greeting'),
);
Res({ passthrough: true })(GreetingController.prototype, 'greet', 0);
Controller()(GreetingController);

class AppModule {}
Module({
  imports: [
    RestflowCacheModule.forRoot({
      setCacheHeaders: true,
      dispatchers: [new NextTurnDispatcher()],
      defaultDispatcher: 'next-turn',
      quiet: true,
    }),
  ],
  controllers: [GreetingController],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(0, '127.0.0.1');
const ask = async (language) => {
  const { headers } = await fetch(`${await app.getUrl()}/greeting`, {
    headers: { 'accept-language': language },
  });
  return { status: headers.get('x-cache-status'), servedBy: headers.get('x-served-by') };
};

const first = await ask('fr');
const again = await ask('fr-CH,fr;q=0.9');
const other = await ask('de');
const metrics = app.get(CacheService).metrics();
const [{ hits, served }] = metrics.methods;
const [sample] = METRIC_FAMILIES.find(({ name }) => name === 'restflow_served_total')?.samples(metrics) ?? [];

const handled = [];
await new NextTurnDispatcher().dispatch([{ tags: [] }], { handle: (job) => handled.push(job) });

let refusal;
try {
  RestflowCacheModule.forRoot({ quiet: 1 });
} catch (error) {
  refusal = error.message;
}
await app.close();

const database = { options: { type: 'libsql' } };
console.log(
  JSON.stringify({
    'A key field': { 'fr-CH after fr': again.status, 'de after fr': other.status },
    'A header that is never stored': { miss: first.servedBy, hit: again.servedBy },
    'A dispatcher': handled.length === 1 ? 'next-turn carried out a job' : 'nothing was carried out',
    'A database': {
      known: isKnownType(database),
      hasBackslashEscapes: dialectOf(database).hasBackslashEscapes,
    },
    'A metric': { hits, served, exported: sample?.value },
    'An option': refusal,
  }),
);

// An application whose broker is away from its boot to its end: `node --import …/typescript.mjs lonely-application.ts <Line as JSON>`.
import 'reflect-metadata';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RestflowCacheModule } from '../../../lib/index.js';
import { createDispatcher, dispatcherOf, type Line } from '../support/transports.js';
import { Item, itemsService, openDatabase } from '../support/world.js';

const line = JSON.parse(process.argv[2]!) as Line;
const dataSource = await openDatabase('sql.js', 'lonely');
const Items = itemsService(dispatcherOf(line));

@Module({})
class Lonely {}
const cache = RestflowCacheModule.forRoot({
  namespace: line.namespace,
  dataSources: [dataSource],
  dispatchers: [await createDispatcher(line, true)],
});
const app = await NestFactory.createApplicationContext(
  { module: Lonely, imports: [cache], providers: [Items as Type] },
  { logger: ['error'], abortOnError: false },
);
process.stdout.write('booted\n');
const items = app.get(Items);
items.source = dataSource;
for (const text of ['one', 'two', 'three']) {
  await dataSource.manager.save(Item, { id: 1, text });
  if ((await items.text(1)) !== text) throw new Error(`${text} is not served.`);
}
process.stdout.write('written\n');
process.stderr.write('closing\n');
const began = performance.now();
await app.close();
const seconds = (performance.now() - began) / 1_000;
// `shutdownTimeout`, and a second for a busy machine.
process.stdout.write(seconds < 6 ? 'closed\n' : `closed after ${seconds} s\n`);
// Nothing may keep the process alive now.

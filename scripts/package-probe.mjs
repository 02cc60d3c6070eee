// node scripts/package-probe.mjs import|require <folder with the entries> <entry> …: loads the entries, boots an application
// with the module, and prints as JSON what the entries export and which types decorators recorded.
import 'reflect-metadata';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

const [how, folder, ...entries] = process.argv.slice(2);
const require = createRequire(import.meta.url);

/** One line for each parameter list, property type and result type that a decorated class records. */
const recorded = [];
const { metadata } = Reflect;
Reflect.metadata = (key, value) => (target, member) => {
  const owner = typeof target === 'function' ? target : target.constructor;
  const types = [value].flat().map((type) => type?.name ?? String(type));
  recorded.push(`${owner.name}.${String(member ?? 'constructor')} ${key} (${types.join(', ')})`);
  return metadata(key, value)(target, member);
};

/** What code may read of an exported value at run time. */
function describe(value) {
  if (typeof value === 'symbol') return String(value);
  if (typeof value !== 'function') return `${typeof value} ${Object.keys(Object(value)).sort().join(', ')}`;
  const kind = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'function';
  const members = [value, value.prototype ?? {}].map((one) =>
    Reflect.ownKeys(one).map(String).sort().join(', '),
  );
  const parent = Object.getPrototypeOf(value).name;
  return `${kind} ${value.name}(${value.length}) extends '${parent}' has ${members.join('; ')}`;
}

const load = (entry) => {
  const path = join(folder, `${entry}.js`);
  return how === 'require' ? require(path) : import(pathToFileURL(path).href);
};

const exported = {};
for (const entry of entries) {
  const described = Object.entries(await load(entry)).map(([name, value]) => [name, describe(value)]);
  exported[entry] = Object.fromEntries(described);
}

// The boot loads the rest.
class AppModule {}
const { RestflowCacheModule } = await load('index');
Module({ imports: [RestflowCacheModule.forRoot()] })(AppModule);
const application = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
await application.close();

console.log(JSON.stringify({ exported, recorded: recorded.sort() }));
process.exit();

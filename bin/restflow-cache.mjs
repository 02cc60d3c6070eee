#!/usr/bin/env node
// `npx nestjs-restflow-cache <command>`. Each command is a file of commands/, and is loaded when it is asked for.
import { pathToFileURL } from 'node:url';

/** Each with its line of the help. */
const COMMANDS = {
  doctor: 'prints versions, what it finds of the cache in this application, and what is wrong',
};

const [name, ...args] = process.argv.slice(2);

if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
  console.log('Usage: npx nestjs-restflow-cache <command>\n');
  for (const [command, line] of Object.entries(COMMANDS)) console.log(`  ${command.padEnd(10)} ${line}`);
  process.exitCode = name === undefined ? 1 : 0;
} else if (Object.hasOwn(COMMANDS, name)) {
  const url = new URL(`./commands/${name}.mjs`, import.meta.url);
  const command = await import(url.href);
  process.exitCode = await command.run(args, pathToFileURL(`${process.cwd()}/`));
} else {
  console.error(`Unknown command '${name}'. Write one of: ${Object.keys(COMMANDS).join(', ')}.`);
  process.exitCode = 1;
}

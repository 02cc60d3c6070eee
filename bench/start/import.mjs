// node bench/start/import.mjs <module>: how long its import takes after Nest's core is loaded.
import 'reflect-metadata';
import '@nestjs/common';
import '@nestjs/core';
import { startClock } from './clock.mjs';

const end = startClock();
await import(process.argv[2]);
end();

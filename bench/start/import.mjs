// node bench/start/import.mjs <module>: how long its import takes after Nest's core is loaded.
import 'reflect-metadata';
import '@nestjs/common';
import '@nestjs/core';

const began = performance.now();
await import(process.argv[2]);
const milliseconds = performance.now() - began;
if (process.send) process.send({ milliseconds }, () => process.exit());
else console.log(milliseconds);

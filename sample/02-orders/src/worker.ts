import 'reflect-metadata';
import type { LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { settings } from './settings.js';
import { WorkerModule, workerSetup } from './worker.module.js';

const logger: LogLevel[] = ['warn', 'error'];
const { transport } = workerSetup;

if (transport === undefined) {
  const worker = await NestFactory.createApplicationContext(WorkerModule, { logger });
  worker.enableShutdownHooks();
} else {
  const worker = await NestFactory.createMicroservice(WorkerModule, { ...transport, logger });
  worker.enableShutdownHooks();
  await worker.listen();
}
console.log(`The worker carries out what is queued (${settings.dispatcher}, process ${process.pid}).`);

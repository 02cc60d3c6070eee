import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WorkerModule } from './worker.module.js';

const worker = await NestFactory.createApplicationContext(WorkerModule, { logger: ['warn', 'error'] });
worker.enableShutdownHooks();
console.log(`The worker carries out what is queued (process ${process.pid}).`);

import type { DynamicModule, NestApplicationOptions, Provider, Type } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** One application that uses a package as its documentation says. */
export interface RecordedApplication {
  readonly imports?: (DynamicModule | Promise<DynamicModule> | Type)[];
  readonly controllers?: Type[];
  readonly providers?: Provider[];
  readonly options?: NestApplicationOptions;
  /** Runs after creation, before `listen()`. Without it the platform is left out. */
  readonly express?: (app: NestExpressApplication) => unknown;
  readonly fastify?: (app: NestFastifyApplication) => unknown;
  /** Requests beyond the common ones, which all go to /things. */
  readonly requests?: readonly RecordedRequest[];
}

export interface RecordedRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

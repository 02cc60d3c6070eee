import type { INestApplication } from '@nestjs/common';
import type { FastLaneOptions } from '../../../lib/index.js';
import { start, type ApplicationOptions, type PlatformName, type TestApplication } from './application.js';

/** For routes of {@link startLane}: its counter need not run for a hit. */
export const LANE: FastLaneOptions = { skip: ['countRequests'] };

export interface LaneApplication extends TestApplication {
  /** Requests that have reached the framework since the last call. */
  reached(): number;
}

/** Counts the requests that reach the framework, and adds nothing else. */
export function counter(app: INestApplication, platform: PlatformName): () => number {
  let count = 0;
  const countRequests = (_request: object, _response: object, next: () => void): void => {
    count++;
    next();
  };
  if (platform === 'express') app.use(countRequests);
  else
    (app.getHttpAdapter().getInstance() as { addHook(name: string, hook: unknown): void }).addHook(
      'onRequest',
      countRequests,
    );
  return () => {
    const counted = count;
    count = 0;
    return counted;
  };
}

/** An application whose routes may use the fast lane. */
export async function startLane(
  platform: PlatformName,
  { setup, ...options }: ApplicationOptions,
): Promise<LaneApplication> {
  let reached!: () => number;
  const app = await start(platform, {
    ...options,
    setup: async (application) => {
      reached = counter(application, platform);
      await setup?.(application);
    },
  });
  return { ...app, reached };
}

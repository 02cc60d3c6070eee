import { httpFlow, methodFlow, saveFlow } from './applications.mjs';

/**
 * The flows that must be readable, by the name that `npm run flows -- <name>` takes.
 *
 * @type {Record<string, { title: string, servers: string[], start: Function }>}
 */
export const flows = {
  hit: {
    title: 'a GET that hits from memory, on Express',
    servers: [],
    start: httpFlow('express', true),
  },
  'hit-fastify': {
    title: 'a GET that hits from memory, on Fastify',
    servers: [],
    start: httpFlow('fastify', true),
  },
  miss: {
    title: 'a GET that misses, on Express',
    servers: [],
    start: httpFlow('express', false),
  },
  'l1-hit': {
    title: 'a @CacheResult over memory and Redis that hits in memory',
    servers: ['redis'],
    start: methodFlow(true),
  },
  'tiered-miss': {
    title: 'a @CacheResult over memory and Redis that misses in both',
    servers: ['redis'],
    start: methodFlow(false),
  },
  save: {
    title: 'a TypeORM save in a transaction, with a rule, until other processes were told',
    servers: ['redis'],
    start: saveFlow,
  },
};

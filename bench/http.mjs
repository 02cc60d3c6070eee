// `npm run bench -- http [seconds per measurement] [rounds] [processes]`: a hit in memory, 32 connections, 3 KB of JSON: ours beside its
// peers on Express and Fastify, node:http writing the same bytes and headers, and nginx with one worker.
//
// The figure that counts is the processor time of the server for a request; requests per second stand beside it.
import { Process } from './rig/processes.mjs';
import { inRounds } from './rig/rounds.mjs';
import { aim, publish, row } from './rig/results.mjs';
import { numbers } from './rig/run.mjs';
import { rowOf as rowOfServer } from './http/table-of.mjs';
import { conditionsOf, measureServer, startNginx, startServer } from './http/servers.mjs';

const [seconds, rounds, generations] = numbers(0.5, 3, 3);

const CACHES = ['cache-manager wrap', 'cacheable', 'async-cache-dedupe', 'cachified', 'bentocache'];
const platforms = ['express', 'fastify'];
const titles = { express: 'Express', fastify: 'Fastify' };

const onPlatform = (platform) => [
  { platform, variant: 'restflow', cached: true },
  { platform, variant: 'restflow, fast lane', cached: true },
  { platform, variant: 'restflow', cached: true, status: 304 },
  { platform, variant: 'restflow, fast lane', cached: true, status: 304 },
  { platform, variant: 'bare' },
  { platform, variant: 'CacheInterceptor', cached: true },
  { platform, variant: 'write-bytes', name: 'an interceptor that only writes bytes' },
  ...CACHES.map((variant) => ({ platform, variant, cached: true, name: `${variant} in the handler` })),
];
const subjects = platforms.flatMap(onPlatform);
subjects.push({ platform: 'fastify-caching', variant: '@fastify/caching', cached: true });
for (const status of [200, 304])
  subjects.push({
    platform: 'raw',
    variant: status === 304 ? 'raw node:http, 304' : 'raw node:http',
    status,
    like: subjects.findIndex((one) => one.variant === 'restflow' && one.platform === 'fastify'),
  });
subjects.push({ platform: 'nginx', variant: 'nginx proxy_cache, one worker', cached: true });

const load = await Process.start(new URL('./rig/load.mjs', import.meta.url));
const nginx = await startNginx();
const missing = new Map();
let results;
try {
  results = await inRounds(subjects, {
    rounds,
    generations,
    start,
    warm: (...args) => measure(...args, 1),
    measure,
  });
} finally {
  load.stop();
  nginx.stop?.();
}

/** A subject that cannot be had stays in the table, with the reason. */
async function start(subject, started) {
  if (subject.platform === 'nginx')
    return nginx.missing === undefined
      ? { ...nginx, stop: () => undefined }
      : leaveOut(subject, nginx.missing);
  try {
    return await startServer(subject, { started });
  } catch (error) {
    return leaveOut(subject, error.message.replace(/^.*? ended: /, ''));
  }
}

function leaveOut(subject, reason) {
  missing.set(subject, reason);
  return { stop: () => undefined };
}

async function measure(subject, server, time = seconds) {
  if (missing.has(subject)) return {};
  const { status = 200, platform } = subject;
  const headers =
    status === 304 && platform !== 'raw' ? (server.conditions ??= await conditionsOf(server.ready.port)) : {};
  return measureServer(load, platform === 'nginx' ? server : { ready: server.ready, one: server }, {
    seconds: time,
    status,
    headers,
  });
}

const rowOf = new Map(
  subjects.map((subject) => {
    const { variant, name = variant, status, cached = false } = subject;
    const reason = missing.get(subject);
    if (reason !== undefined) return [subject, row(name, [], { note: `not measured: ${reason}` })];
    const title = status === 304 && !name.includes('304') ? `${name}, 304` : name;
    return [subject, rowOfServer({ name: title, cached }, results.get(subject))];
  }),
);
const find = (variant, platform, status) =>
  rowOf.get(
    subjects.find(
      (one) =>
        one.variant === variant &&
        (platform === undefined || one.platform === platform) &&
        (platform === undefined || one.status === status),
    ),
  );
const tables = platforms.map((platform) => ({
  title: `hit in memory, ${titles[platform]}`,
  first: 'CacheInterceptor',
  rows: subjects
    .filter((one) => one.platform === platform || one.platform.startsWith(`${platform}-`))
    .map((one) => rowOf.get(one)),
}));
tables.push({
  title: 'beside the framework',
  rows: subjects
    .filter(({ platform }) => platform === 'raw' || platform === 'nginx')
    .map((one) => rowOf.get(one)),
});

const raw = find('raw node:http');
const wanted = [];
for (const [platform, least] of [
  ['express', 2],
  ['fastify', 2.5],
]) {
  const name = titles[platform];
  const hit = find('restflow', platform);
  const lane = find('restflow, fast lane', platform);
  const peer = find('CacheInterceptor', platform);
  wanted.push(
    { what: `pipeline hit, ${name}, against CacheInterceptor`, of: hit, over: peer, atLeast: least },
    { what: `pipeline hit, ${name}, against raw node:http`, of: hit, over: raw },
    { what: `fast lane, ${name}, against raw node:http`, of: lane, over: raw, atLeast: 0.8 },
    {
      what: `fast lane, ${name}, against CacheInterceptor`,
      of: lane,
      over: peer,
      ...(platform === 'express' && { atLeast: 5 }),
    },
    {
      what: `304 on the fast lane, ${name}, against raw node:http`,
      of: find('restflow, fast lane', platform, 304),
      over: find('raw node:http, 304'),
      atLeast: 0.9,
    },
    {
      what: `fast lane, ${name}, against nginx, per core`,
      of: lane,
      over: find('nginx proxy_cache, one worker'),
    },
  );
}
const aims = wanted.filter(({ of, over }) => of.rounds.length > 0 && over.rounds.length > 0).map(aim);
await publish({ name: 'http', title: 'HTTP: a hit in memory', tables, aims });

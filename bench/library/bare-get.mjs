import { Redis } from 'ioredis';
import { Packr } from 'msgpackr';

/** A bare GET of a value in the encoding that ours has, and its decoding. */
export async function bareGet(url, value) {
  const redis = new Redis(url);
  const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });
  await redis.set('bench:bare', packr.pack(value));
  return async () => packr.unpack(await redis.getBuffer('bench:bare'));
}

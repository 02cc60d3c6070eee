import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseDuration, type Duration } from '../common/time.js';
import { CacheConfigurationError } from '../common/errors.js';

/** What signs explanations: shorter secrets can be tried out. Characters. */
const MIN_SECRET = 32;

/** No token is good for longer, whoever signed it. Milliseconds. */
const MAX_LIFETIME = 24 * 3600 * 1000;

/** `<seconds since the epoch>.<base64url of 32 bytes>` */
const TOKEN = /^(\d{1,12})\.([\w-]{43})$/;

/**
 * A value for the request header `X-Cache-Explain`: the answer says in `Cache-Status` what the cache did and why.
 *
 * @param secret that of `forRoot({ explain: { secret } })`
 * @param lifetime how long it is good for; at most a day
 * @throws CacheConfigurationError for a secret of less than 32 characters, or a lifetime beyond a day
 * @example
 * const token = explainToken(process.env.EXPLAIN_SECRET!, '10m');
 * await fetch(url, { headers: { 'X-Cache-Explain': token } });
 *
 * @publicApi
 */
export function explainToken(secret: string, lifetime: Duration = '10m'): string {
  assertSecret(secret, 'explainToken()');
  const milliseconds = parseDuration(lifetime, 'The lifetime given to explainToken()');
  if (milliseconds > MAX_LIFETIME || milliseconds <= 0) {
    throw new CacheConfigurationError(
      'CACHE_EXPLAIN',
      `The lifetime given to explainToken() is ${String(lifetime)}. Write at most a day, e.g. '10m'.`,
    );
  }
  const expires = String(Math.ceil((Date.now() + milliseconds) / 1000));
  return `${expires}.${signatureOf(secret, expires).toString('base64url')}`;
}

/** Whether a header holds a token that was signed with the secret and is still good. */
export function isExplainToken(secret: string, header: unknown, now: number): boolean {
  const [, expires, signature] = (typeof header === 'string' ? TOKEN.exec(header) : null) ?? [];
  if (expires === undefined) return false;
  const isSigned = timingSafeEqual(signatureOf(secret, expires), Buffer.from(signature!, 'base64url'));
  const remaining = Number(expires) * 1000 - now;
  return isSigned && remaining > 0 && remaining <= MAX_LIFETIME + 1000;
}

/** @throws CacheConfigurationError */
export function assertSecret(secret: unknown, where: string): asserts secret is string {
  if (typeof secret === 'string' && secret.length >= MIN_SECRET) return;
  throw new CacheConfigurationError(
    'CACHE_EXPLAIN',
    `The secret of ${where} is ${typeof secret === 'string' ? `${secret.length} characters long` : typeof secret}. Write at least ` +
      `${MIN_SECRET} random characters, e.g. from \`openssl rand -base64 32\`.`,
  );
}

function signatureOf(secret: string, expires: string): Buffer {
  return createHmac('sha256', secret).update(`restflow-explain.${expires}`).digest();
}

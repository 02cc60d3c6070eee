import { createHmac, timingSafeEqual } from 'node:crypto';
import { isRecord } from '../../common/options.js';
import type { Rewarm } from './rewarm.js';

/**
 * Signs rewarm entries and checks their signatures, because others may be able to write to a queue of jobs. An unsigned job may
 * invalidate, which costs loads at worst; it may not call methods or send requests with credentials.
 */
export class RewarmSigner {
  /** Entries that were made in this process: they need no signature. */
  readonly #own = new WeakSet<Rewarm>();

  /**
   * @param namespace namespace of the application: a signature is valid for it only
   * @param secrets the first one signs, all are accepted; without one, nothing is signed
   */
  constructor(
    private readonly namespace = '',
    private readonly secrets: readonly string[] = [],
  ) {}

  /** Marks an entry of this process as trusted, and signs it for other processes that may get its job. */
  sign(rewarm: Rewarm): Rewarm {
    const [secret] = this.secrets;
    const signed =
      secret === undefined
        ? rewarm
        : { ...rewarm, signature: this.#signatureOf(rewarm, secret).toString('base64url') };
    this.#own.add(signed);
    return signed;
  }

  /** The reason why an entry must not be computed; `undefined` if it may. */
  refusalOf(rewarm: Rewarm): string | undefined {
    if (this.secrets.length === 0 || this.trusts(rewarm)) return undefined;
    return 'its job is not signed with the jobSecret of this process';
  }

  /** Tells whether an entry provably comes from this application. */
  trusts(rewarm: Rewarm): boolean {
    if (this.#own.has(rewarm)) return true;
    if (rewarm.signature === undefined) return false;
    const given = Buffer.from(rewarm.signature, 'base64url');
    return this.secrets.some((secret) => {
      const expected = this.#signatureOf(rewarm, secret);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  }

  #signatureOf({ method, values, request }: Rewarm, secret: string): Buffer {
    const text = canonicalJson([this.namespace, method, values ?? null, request ?? null]);
    return createHmac('sha256', secret).update(`restflow-rewarm.${text}`).digest();
  }
}

/** JSON with sorted members: databases do not keep the order of members in JSON columns. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
  return `{${members.join()}}`;
}

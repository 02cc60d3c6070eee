import { createHmac, timingSafeEqual } from 'node:crypto';
import { isRecord } from '../../common/options.js';
import type { Rewarm } from './rewarm.js';

/**
 * Tells what this application wanted recomputed from what somebody else put into a queue. Jobs are trusted with invalidation, which at
 * worst costs loads; what runs code or carries credentials is not taken on trust.
 */
export class RewarmSigner {
  /** Those that were made in this process and never left it. */
  readonly #own = new WeakSet<Rewarm>();

  /**
   * @param namespace of the application: a signature is good for no other
   * @param secrets the first signs, all of them are accepted; none: nothing is signed
   */
  constructor(
    private readonly namespace = '',
    private readonly secrets: readonly string[] = [],
  ) {}

  /** Marks one that a rule of this process wants, and signs it for those that its job may travel to. */
  sign(rewarm: Rewarm): Rewarm {
    const [secret] = this.secrets;
    const signed =
      secret === undefined
        ? rewarm
        : { ...rewarm, signature: this.#signatureOf(rewarm, secret).toString('base64url') };
    this.#own.add(signed);
    return signed;
  }

  /** Why it is not to be computed, `undefined` where it may be. */
  refusalOf(rewarm: Rewarm): string | undefined {
    if (this.secrets.length === 0 || this.trusts(rewarm)) return undefined;
    return 'its job is not signed with the jobSecret of this process';
  }

  /** Whether it is known to come from this application. */
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

/** JSON whose members are sorted: databases that hold JSON keep no order. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`;
  if (!isRecord(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .filter((name) => value[name] !== undefined)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${canonicalJson(value[name])}`);
  return `{${members.join()}}`;
}

/** Rules for a response header that is not simply stored and replayed. */
interface HeaderRule {
  /** False: never stored. `'verbatim'`: stored only with `freshness: 'headers'`, which keeps all that a response says. */
  readonly stored?: false | 'verbatim';
  /** Describes a body, so a 304 omits it (RFC 9110 §15.4.5). */
  readonly ofBody?: true;
  /** Describes the bytes of one message, so a part (206) omits it (RFC 9530 §2). */
  readonly ofMessage?: true;
  /** Describes the stored bytes, so the headers of a 304 or of a HEAD do not replace it (RFC 9111 §3.2). */
  readonly ofStoredBytes?: true;
}

/** All headers with rules, by lower-case name. One row adds a header or changes its treatment. */
const HEADER_RULES: Readonly<Record<string, HeaderRule>> = {
  // Of one connection (RFC 9110 §7.6.1).
  connection: { stored: false },
  'keep-alive': { stored: false },
  'proxy-connection': { stored: false },
  te: { stored: false },
  trailer: { stored: false },
  'transfer-encoding': { stored: false, ofBody: true },
  upgrade: { stored: false },
  // For a proxy (RFC 9111 §3.1).
  'proxy-authenticate': { stored: false },
  'proxy-authentication-info': { stored: false },
  'proxy-authorization': { stored: false },
  // For one client: an answer that sets one is not stored at all.
  'set-cookie': { stored: false },
  // Computed for each message.
  'content-length': { stored: false, ofBody: true, ofStoredBytes: true },
  date: { stored: 'verbatim' },
  // Stored and replayed with their body.
  'content-type': { ofBody: true },
  'content-encoding': { ofBody: true, ofStoredBytes: true },
  'content-language': { ofBody: true },
  'content-range': { ofBody: true, ofMessage: true, ofStoredBytes: true },
  'content-digest': { ofMessage: true },
  'content-md5': { ofMessage: true, ofStoredBytes: true },
  etag: { ofStoredBytes: true },
};

const namesWith = (column: keyof HeaderRule): readonly string[] =>
  Object.freeze(Object.keys(HEADER_RULES).filter((name) => HEADER_RULES[name]![column] === true));

/** Headers that a 304 omits. */
export const ABSENT_FROM_NOT_MODIFIED = namesWith('ofBody');

/** Headers that a part of a response omits. */
export const ABSENT_FROM_PARTS: ReadonlySet<string> = new Set(namesWith('ofMessage'));

/** Stored headers that an update of the response does not change. */
export const KEPT_ON_UPDATE: ReadonlySet<string> = new Set(namesWith('ofStoredBytes'));

/**
 * True if a header may be stored.
 *
 * @param name in lower case
 * @param named members of the response's Connection header, which are hop-by-hop too
 */
export function isStorableHeader(name: string, named: readonly string[], verbatim: boolean): boolean {
  const stored = Object.hasOwn(HEADER_RULES, name) ? HEADER_RULES[name]!.stored : undefined;
  return stored !== false && (stored !== 'verbatim' || verbatim) && !named.includes(name);
}

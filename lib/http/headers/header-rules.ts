/** How a response header is treated that is not simply stored as the handler set it and replayed. */
interface HeaderRule {
  /** Never stored; `'verbatim'`: only where a response is stored with all that it says (`freshness: 'headers'`). */
  readonly stored?: false | 'verbatim';
  /** Describes a body: a 304, which carries none, leaves it out (RFC 9110 §15.4.5). */
  readonly ofBody?: true;
  /** Describes the bytes of one message: a part (206) leaves it out (RFC 9530 §2). */
  readonly ofMessage?: true;
  /** Describes the stored bytes: the headers of a 304 or of a HEAD do not replace it (RFC 9111 §3.2). */
  readonly ofStoredBytes?: true;
}

/** Every such header, by its lower-case name. A header is added, or treated in another way, in one row. */
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

/** Headers that a 304 leaves out. */
export const ABSENT_FROM_NOT_MODIFIED = namesWith('ofBody');

/** Headers that a part of a response leaves out. */
export const ABSENT_FROM_PARTS: ReadonlySet<string> = new Set(namesWith('ofMessage'));

/** Headers that an update of a stored response leaves as they are. */
export const KEPT_ON_UPDATE: ReadonlySet<string> = new Set(namesWith('ofStoredBytes'));

/**
 * True if a header may be stored.
 *
 * @param name in lower case
 * @param named members of the response's Connection header, which are of the connection too
 */
export function isStorableHeader(name: string, named: readonly string[], verbatim: boolean): boolean {
  const stored = Object.hasOwn(HEADER_RULES, name) ? HEADER_RULES[name]!.stored : undefined;
  return stored !== false && (stored !== 'verbatim' || verbatim) && !named.includes(name);
}

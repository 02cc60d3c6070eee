import type { LoadInput } from '../../cache/engine/load-input.js';
import type { KeyRequest } from '../../keys/key.interface.js';

/** The objects on which upstream code can leave members for a load. */
export interface RequestObjects {
  readonly request: object;
  readonly response: object;
  /** Values that a load has read, by the labels of their inputs: it may have changed them since. */
  readonly atLoad?: ReadonlyMap<string, unknown> | undefined;
}

/** An input of a request on which answers depend, and how to read it from another request. */
export interface RequestInput extends LoadInput {
  /** Name of the header; of a member with a prefix that no header name contains: `@request.tenant`. */
  readonly label: string;
  /** Lower-case name of the request header that contains it. */
  readonly header: string | undefined;
  /** Outer caches have it in their keys too, since it is a part of the URI. */
  readonly isOfUri?: true;
  /** The text of the input for the key. Must not throw. */
  keyValueOf(headers: KeyRequest['headers'], objects: RequestObjects | undefined): unknown;
}

const headers = new Map<string, RequestInput>();

/** Limits the inputs of one key: clients do not choose what code reads, but code may read names that clients choose. */
const MAX_KNOWN = 1_000;

/** The input of a request header. @param name in lower case */
export function headerInput(name: string): RequestInput {
  const known = headers.get(name);
  if (known !== undefined) return known;
  const input = new HeaderInput(name);
  if (headers.size < MAX_KNOWN) headers.set(name, input);
  return input;
}

class HeaderInput implements RequestInput {
  readonly label: string;
  readonly header: string;

  constructor(header: string) {
    this.label = this.header = header;
  }

  get name(): string {
    return `the request header ${this.header}`;
  }

  get advice(): string {
    if (this.header === 'cookie')
      return (
        `decorate the handler with @VaryOnCookie(), or give it a keyConstructor with new CookiesKeyField('name') for each of ` +
        `request.cookies that it reads, or say shared: true`
      );
    if (this.header === 'authorization')
      return 'give the handler a keyConstructor that holds the user, or say shared: true';
    return (
      `hold it in the key, new HeadersKeyField('${this.header}') or an argument, or say forRoot({ ignoreHeaders: ['${this.header}'] }) ` +
      `if it chooses no answer`
    );
  }

  keyValueOf(headers: KeyRequest['headers']): unknown {
    return normaliseList(headers[this.header]);
  }
}

/**
 * Removes white space at the ends: header values that differ only in that are equal (RFC 9111, section 4.1). A single pass, since the
 * client chooses the value.
 */
export function normaliseList(value: string | string[] | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : String(value);
  if (!/[\s,]/.test(text)) return text;
  return text
    .split(',')
    .map((member) => member.trim().split(/\s+/).join(' '))
    .join(',');
}

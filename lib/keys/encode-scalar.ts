import { encodeText } from './encode-text.js';

/** Values that have no members. */
export type Scalar = string | number | boolean | bigint | null | undefined;

/** The text of a value that has no members: `1`, `1n`, `'1'`, `true`, `null`, `~` for undefined. */
export function encodeScalar(value: Scalar): string {
  switch (typeof value) {
    case 'string':
      return encodeText(value);
    case 'bigint':
      return `${value}n`;
    case 'undefined':
      return '~';
    default:
      return `${value}`;
  }
}

import { createHash } from 'node:crypto';
import { coarseValue } from './coarse.js';
import { encodeText } from './scalars.js';
import { asSet } from './fields/request-parts.js';
import type { KeyHash, PartitionValues } from './key.interface.js';

/** How a partition field writes values into tags: plain data, so that another process may write them alike. */
export interface CoarseShape {
  readonly isSet: boolean;
  readonly sortLists: boolean;
  readonly isHashed: boolean;
}

/** One combination of partition fields, in the order in which its tags name them. */
export type PartitionShape = readonly (CoarseShape & { readonly name: string })[];

/**
 * The hash of private values in tags. Tags must be the same in every build, so the *name* of a digest makes no difference to
 * them; a function does, because it may hold a secret that the built-in digest lacks.
 */
export const TAG_HASH: KeyHash = (text) => createHash('sha256').update(text).digest('base64url');

/** @param hash where it is hashed: {@link TAG_HASH}, or a function of the user's */
export function writeCoarse(shape: CoarseShape, value: unknown, hash: KeyHash): string {
  const text = coarseValue(shape.isSet ? asSet(value) : value, shape.sortLists);
  return shape.isHashed ? `#${hash(text)}` : text;
}

/** What {@link CompiledKey.partitionTag} writes for these values, without the key. */
export function writePartition(shape: PartitionShape, values: PartitionValues): string {
  return shape
    .map((field) => `${encodeText(field.name)}=${writeCoarse(field, values[field.name], TAG_HASH)}`)
    .join('&');
}

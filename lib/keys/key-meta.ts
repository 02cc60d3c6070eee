import { type KeyConstructor, type KeyMeta, metaOf } from './key-constructor.js';

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isList: Check = (value) => Array.isArray(value) && value.length > 0;

/** What each member of `meta` must be, and how to say so. */
const MEMBERS: Readonly<Record<keyof KeyMeta, readonly [check: Check, form: string]>> = {
  namespace: [isText, `a text that is not empty, such as 'users'`],
  version: [(value) => isText(value) || Number.isFinite(value), `a number or a text, such as 1`],
  keyIdentifier: [isText, `a text that is not empty, such as 'list'`],
  maxKeySuffixLength: [
    (value) => Number.isInteger(value) && (value as number) > 0,
    `a whole number of characters, such as 250`,
  ],
  partitions: [
    (value) =>
      Array.isArray(value) && value.every((subset) => isList(subset) && (subset as unknown[]).every(isText)),
    `a list of lists of partition field names, such as [['tenant', 'user']]`,
  ],
};

/**
 * The checked `meta` of a key constructor.
 *
 * @param refuse called with what is wrong and what to write instead
 */
export function readMeta(keyConstructor: KeyConstructor, refuse: (problem: string) => never): KeyMeta {
  const meta = metaOf(keyConstructor);
  for (const [member, value] of Object.entries(meta)) {
    if (!Object.hasOwn(MEMBERS, member)) {
      refuse(`meta has no member "${member}". Write one of ${Object.keys(MEMBERS).join(', ')}.`);
    }
    const [check, form] = MEMBERS[member as keyof KeyMeta];
    if (value !== undefined && !check(value)) refuse(`meta.${member} must be ${form}.`);
  }
  return meta;
}

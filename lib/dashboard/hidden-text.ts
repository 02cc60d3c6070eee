import { createHash, randomBytes } from 'node:crypto';

/** New for each process: who knows a hash cannot try what it was made of. */
const salt = randomBytes(16);

/** Equal texts have equal hashes, in this process. */
export function hidden(text: string): string {
  return `#${createHash('sha256').update(salt).update(text).digest('base64url').slice(0, 12)}`;
}

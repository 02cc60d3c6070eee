import { randomUUID } from 'node:crypto';

/** A name that nothing else uses: specs run several times on one server, in one process or in many. */
export function uniqueName(what: string): string {
  return `${what}-${randomUUID()}`;
}

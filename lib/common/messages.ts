/** What an error says, for a sentence that goes on; anything may be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The beginning of something that came from elsewhere, for a message. */
export function excerpt(value: unknown): string {
  try {
    return String(JSON.stringify(value)).slice(0, 200);
  } catch {
    return String(value);
  }
}

/** Names that a mistyped one may have meant, the nearest first; at most three. */
export function nearestNames(name: string, known: readonly string[]): string[] {
  const reach = Math.max(2, Math.ceil(name.length / 3));
  return known
    .map((candidate) => ({ candidate, distance: distanceOf(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= reach)
    .sort((one, other) => one.distance - other.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** How many letters must be put in, taken out or replaced (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}

/**
 * What an error is, in one of few words: its code, or what its message says before the first value. Topics of a log that says each thing
 * once are made of it, since messages name jobs, and there is no end to those.
 */
export function kindOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return String(code ?? String(message ?? error).split(/[:/"'\d]/, 1)[0]);
}

/** Members in one order, however they were written. */
export function sortMembers(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** One text for what means the same, in every process: functions by their source, what is no plain data by its class. */
export function stableText(value: unknown): string {
  const seen = new WeakSet<object>();
  return JSON.stringify(value, (_, one: unknown): unknown => {
    if (typeof one === 'function') return `${one.name}${String(one)}`;
    if (typeof one === 'bigint') return `${one}n`;
    if (typeof one !== 'object' || one === null) return one;
    if (seen.has(one)) return '[again]';
    seen.add(one);
    if (Array.isArray(one)) return one;
    return isPlainObject(one) ? sortMembers(one) : `[${one.constructor.name}]`;
  });
}

export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

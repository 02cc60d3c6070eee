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

/**
 * Tests texts against a pattern in which `*` stands for any text. Searches the parts of the pattern in order, so that the time grows with
 * the text only: a regular expression tries every way to divide a text between several `*`, and clients choose the text.
 */
export function wildcardMatcher(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return (text) => text === pattern;
  const first = parts.shift()!;
  const last = parts.pop()!;
  return (text) => {
    const end = text.length - last.length;
    if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false;
    let from = first.length;
    for (const part of parts) {
      const at = text.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  };
}

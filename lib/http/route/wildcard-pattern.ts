/** The source of a regular expression for a text in which `*` stands for anything. */
export function wildcardPattern(text: string): string {
  return text
    .split('*')
    .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    .join('.*');
}

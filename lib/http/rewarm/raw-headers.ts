/** Raw headers, names and values in turn, without some. @param names in lower case */
export function rawWithout(rawHeaders: readonly string[], names: ReadonlySet<string>): string[] {
  const rest: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!names.has(rawHeaders[index]!.toLowerCase())) rest.push(rawHeaders[index]!, rawHeaders[index + 1]!);
  }
  return rest;
}

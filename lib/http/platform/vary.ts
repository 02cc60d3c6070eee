/** The members of a Vary header: lower case, each once, in the order they were named. */
export function varyMembers(value: string | readonly string[] | number | undefined): string[] {
  if (value === undefined) return [];
  const members = String(value).toLowerCase().split(',');
  return [...new Set(members.map((member) => member.trim()).filter((member) => member !== ''))];
}

/**
 * The Vary header that says what the live response says and what the stored one adds.
 *
 * @param current the Vary of the live response, kept as it is spelt
 * @param members what to append, lower case
 */
export function appendVary(
  current: string | readonly string[] | number | undefined,
  members: readonly string[],
): string {
  if (current === undefined || current === '') return members.length === 1 ? members[0]! : members.join(', ');
  const present = varyMembers(current);
  if (present.includes('*') || members.includes('*')) return '*';
  const missing = members.filter((member) => !present.includes(member));
  return [String(current), ...missing].join(', ');
}

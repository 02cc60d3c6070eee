/** Waits until something holds that others bring about in their own time, however slow the machine is. */
export async function until(
  holds: () => unknown,
  what = 'what the test waits for',
  { seconds = 90, report = () => '' }: { seconds?: number; report?: () => string } = {},
): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`It did not come about: ${what}. ${report()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

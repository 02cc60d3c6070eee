/** Waits for all, so that nothing is left running behind the caller's back, and then tells the first error. */
export async function allOrFirstError(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

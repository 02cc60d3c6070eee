/**
 * Code whose synchronous reads are not watched: layers below that read when the head is sent, and the classes of the option `unwatched`. A
 * counter is enough, since such code never awaits while it is counted.
 */
let unobserved = 0;

/** True if a read counts now. */
export function isObserved(): boolean {
  return unobserved === 0;
}

/** Runs code whose synchronous reads of requests do not count. */
export function runUnobserved<T>(body: () => T): T {
  unobserved++;
  try {
    return body();
  } finally {
    unobserved--;
  }
}

/** Runs code whose reads count again, within {@link runUnobserved}. */
export function runObserved<T>(body: () => T): T {
  const before = unobserved;
  unobserved = 0;
  try {
    return body();
  } finally {
    unobserved = before;
  }
}

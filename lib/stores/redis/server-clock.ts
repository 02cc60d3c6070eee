/** A larger correction than this means that a clock was set, not that it drifts. Milliseconds. */
const STEP_MS = 1_000;

/**
 * The clock of Redis, as a distance from the clock of this process. Entries carry times by it: clocks of processes may be minutes apart.
 * Each measurement gives bounds, since the answer took time; the distance moves no further than they demand, so that it stays the same
 * from one measurement to the next, and is zero where the clocks agree.
 */
export class ServerClock {
  /** Milliseconds that the clock of Redis is ahead of the clock of this process. */
  ahead = 0;
  #isMeasured = false;

  /**
   * @param time of the server, in whole milliseconds
   * @param sent time of this process before it asked, and `received` after the answer
   * @returns true if one of the clocks was set since the last measurement
   */
  measure(time: number, sent: number, received: number): boolean {
    const before = this.ahead;
    // The server's time was cut to the millisecond.
    const [least, most] = [Math.floor(time - received), Math.ceil(time + 1 - sent)];
    // The clock of this process was set back meanwhile.
    if (least > most) return false;
    this.ahead = Math.min(Math.max(before, least), most);
    const isStep = this.#isMeasured && Math.abs(this.ahead - before) > STEP_MS;
    this.#isMeasured = true;
    return isStep;
  }
}

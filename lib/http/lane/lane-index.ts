import type { LaneRecord, LaneRequest } from './lane-record.js';

/** Targets that are kept; the oldest gives way. */
const MAX_TARGETS = 10_000;

/** Records of one target; the oldest gives way. */
const MAX_RECORDS = 16;

/** Longest target. Characters. */
const MAX_TARGET = 2_048;

/** The exact requests that may be answered on the fast lane. A target that is not in it costs one look-up. */
export class LaneIndex {
  readonly #targets = new Map<string, LaneRecord[]>();

  find(target: string | undefined, request: LaneRequest): LaneRecord | undefined {
    const records = this.#targets.get(target!);
    if (records === undefined) return undefined;
    for (let index = 0; index < records.length; index++)
      if (records[index]!.identity.isOf(request)) return records[index];
    return undefined;
  }

  add(target: string, record: LaneRecord): void {
    if (target.length > MAX_TARGET) return;
    const text = record.identity.text;
    const others = (this.#targets.get(target) ?? []).filter(({ identity }) => identity.text !== text);
    this.#targets.delete(target);
    this.#targets.set(target, [...others, record].slice(-MAX_RECORDS));
    if (this.#targets.size > MAX_TARGETS) this.#targets.delete(this.#targets.keys().next().value!);
  }

  remove(target: string, record: LaneRecord): void {
    const others = (this.#targets.get(target) ?? []).filter((other) => other !== record);
    if (others.length === 0) this.#targets.delete(target);
    else this.#targets.set(target, others);
  }

  clear(): void {
    this.#targets.clear();
  }
}

import { randomNumbers } from '../../support/randomised.js';

/** Choices that a seed decides. */
export class Draw {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  one<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** Draws again until the value will do. */
  suitable<T>(draw: () => T, isSuitable: (value: T) => boolean): T {
    for (;;) {
      const value = draw();
      if (isSuitable(value)) return value;
    }
  }
}

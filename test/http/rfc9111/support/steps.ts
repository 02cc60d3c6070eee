import type { Script } from './origin.js';

/** One exchange of a case: what the client asks, what the origin would answer, and what is to come of it. */
export interface Step {
  readonly method: string;
  /** Appended to the path of the case. */
  readonly at: string;
  readonly ask: readonly string[];
  readonly origin: Script;
  /** Whether the origin is to be asked. */
  readonly reaches: boolean;
  readonly want: Want;
  /** Milliseconds to wait before. */
  readonly pause: number;
}

export interface Want {
  readonly status?: number;
  /** Which of the origin's answers the body is, counted from 1; 0 for none. Default: the latest that had one. */
  readonly body?: number;
  /** The body itself. */
  readonly text?: string;
  /** Header lines of the answer; `!Name` for one that must not be there; `Name: *` for any value. */
  readonly lines?: readonly string[];
  /** Header lines that the origin must have seen, in the same notation. */
  readonly seen?: readonly string[];
  /** Bounds of Age. */
  readonly age?: readonly [from: number, to: number];
}

type Options = Partial<Omit<Step, 'origin' | 'reaches' | 'want'>> & Want & Script;

function step(reaches: boolean, origin: Script, options: Options): Step {
  const { method = 'GET', at = '', ask = [], pause = 0, ...rest } = options;
  const { status, body, text, lines, seen, age } = rest;
  return {
    ...{ method, at, ask, pause, reaches },
    origin,
    want: { status, body: body as number | undefined, text, lines, seen, age },
  };
}

type StepOptions = Partial<Pick<Step, 'method' | 'at' | 'ask' | 'pause'>> & Want;

/** The origin is asked and answers 200 with these header lines; its answer comes through. */
export function miss(lines: readonly string[] = [], options: StepOptions = {}): Step {
  return step(true, { lines }, options as Options);
}

/** The origin is asked and answers with another status. */
export function answers(status: number, lines: readonly string[] = [], options: StepOptions = {}): Step {
  return step(true, { status, lines }, { status, ...options } as Options);
}

/** The origin is not asked. */
export function hit(options: StepOptions = {}): Step {
  return step(false, {}, { age: [0, 1e10], ...options } as Options);
}

/** The origin is asked whether what is stored is still good, says so with these lines, and what is stored comes. */
export function validated(lines: readonly string[] = [], options: StepOptions = {}): Step {
  return step(true, { status: 304, lines }, { status: 200, ...options } as Options);
}

/** The origin is asked and says this, and the client gets what `options` say. */
export function instead(origin: Script, options: StepOptions): Step {
  return step(true, origin, options as Options);
}

/** Section, requirement, steps. */
export type Case = readonly [section: string, requirement: string, ...steps: Step[]];

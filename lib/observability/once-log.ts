import { Logger, type LoggerService } from '@nestjs/common';

/** Beyond this many different messages, further ones are dropped: a log must not grow with the traffic. */
const MAX_MESSAGES = 1_000;

/** Drops every message. */
export const SILENT_LOGGER: Pick<LoggerService, 'log' | 'warn' | 'error'> = {
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A logger that reports each topic once, so that a condition met on every request makes one line. */
export class OnceLog {
  readonly #reported = new Set<string>();

  constructor(
    private readonly logger: Pick<LoggerService, 'log' | 'warn' | 'error'> = new Logger('RestflowCache'),
  ) {}

  /** Warns, unless the same `topic` was warned of before. */
  warn(topic: string, message: string): void {
    if (this.#first(topic)) this.logger.warn(message);
  }

  /** Warns every time, of what goes and returns. */
  notice(message: string): void {
    this.logger.warn(message);
  }

  /** Reports a failure, once for each `topic`. */
  error(topic: string, message: string, error: unknown): void {
    if (this.#first(topic)) this.logger.error(`${message}: ${describeError(error)}`);
  }

  /** Logs every time, e.g. the summary at boot. */
  info(message: string): void {
    this.logger.log(message);
  }

  #first(topic: string): boolean {
    if (this.#reported.has(topic) || this.#reported.size >= MAX_MESSAGES) return false;
    this.#reported.add(topic);
    return true;
  }
}

/** With its stack, for log lines. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * What an error is, in one of few words: its code, or what its message says before the first value. Topics of a log that says each thing
 * once are made of it, since messages name jobs, and there is no end to those.
 */
export function kindOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return String(code ?? String(message ?? error).split(/[:/"'\d]/, 1)[0]);
}

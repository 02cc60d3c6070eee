/** The beginning of something that came from elsewhere, for a message. */
export function excerpt(value: unknown): string {
  try {
    return String(JSON.stringify(value)).slice(0, 200);
  } catch {
    return String(value);
  }
}

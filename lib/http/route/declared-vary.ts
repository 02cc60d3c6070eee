import 'reflect-metadata';

const VARY = 'restflow-cache:vary';

/** Adds names of request headers to those that choose between the answers of a handler. */
export function declareVary(handler: object, names: readonly string[]): void {
  const all = new Set([...declaredVary(handler), ...names.map((name) => name.toLowerCase())]);
  Reflect.defineMetadata(VARY, [...all].sort(), handler);
}

/** What `@Vary()` and `@VaryOnCookie()` say of a handler. */
export function declaredVary(handler: object): readonly string[] {
  return (Reflect.getMetadata(VARY, handler) as readonly string[] | undefined) ?? [];
}

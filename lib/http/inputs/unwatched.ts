import { runObserved, runUnobserved } from './observed-reads.js';

interface Interceptor {
  intercept(context: unknown, next: { handle(): unknown }): unknown;
}

const unwatched = new WeakSet<object>();

/**
 * Ignores reads of interceptors that only log: those that they make synchronously in `intercept()`, before and after they call
 * `next.handle()`.
 */
export function leaveUnwatched(classes: readonly Function[]): void {
  for (const { prototype } of classes as readonly { readonly prototype: Interceptor }[]) {
    if (unwatched.has(prototype)) continue;
    unwatched.add(prototype);
    const { intercept } = prototype;
    prototype.intercept = function (this: unknown, context, next) {
      const handle = (): unknown => runObserved(() => next.handle());
      return runUnobserved(() => Reflect.apply(intercept, this, [context, { handle }]) as unknown);
    };
  }
}

/** The methods that Nest replies with. */
const REPLYING = ['status', 'send', 'json', 'redirect', 'render'] as const;

/** One silent prototype for each prototype of responses, which is one for each Express application. */
const silentPrototypes = new WeakMap<object, object>();

/**
 * Makes Nest's own reply, which follows a replay, do nothing for this response: neither a second send, nor a redirect,
 * nor a view. The status is included, because loggers read it once the response has finished, and by then Nest would
 * have set the one of the route.
 *
 * The prototype is changed, as Express itself does for each response: five methods on the instance make V8 give up its
 * shape, and cost more than sending the stored bytes.
 */
export function silenceResponse(response: object): void {
  const prototype = Object.getPrototypeOf(response) as object;
  Object.setPrototypeOf(response, silentPrototypes.get(prototype) ?? silentPrototypeOf(prototype));
}

function silentPrototypeOf(prototype: object): object {
  const silent = Object.create(prototype) as Record<string, unknown>;
  for (const name of REPLYING) silent[name] = returnThis;
  silentPrototypes.set(prototype, silent);
  return silent;
}

function returnThis<T>(this: T): T {
  return this;
}

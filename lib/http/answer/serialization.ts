import { type LoadContext, runInLoad } from '../../cache/engine/load-context.js';

/** Methods of a response by which a framework makes bytes of what a handler returned: they run `toJSON()`, getters and views. */
const SERIALIZING = ['json', 'jsonp', 'render', 'send'];

/** Has the answer to one request serialized inside its load: Nest does so after the interceptors, in the context of its router. */
export function serializeInLoad(response: object, context: LoadContext): void {
  for (const name of SERIALIZING) {
    const original: unknown = Reflect.get(response, name);
    if (typeof original !== 'function') continue;
    const value = function (this: object, ...given: unknown[]): unknown {
      const serialize = (): unknown => Reflect.apply(original, this, given);
      return context.isOpen ? runInLoad(context, serialize) : serialize();
    };
    Object.defineProperty(response, name, { value, configurable: true, enumerable: false, writable: true });
  }
}

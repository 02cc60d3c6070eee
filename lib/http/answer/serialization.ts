import { StreamableFile } from '@nestjs/common';
import { type LoadContext, runInLoad } from '../../cache/engine/load-context.js';

/** Methods of a response by which a framework makes bytes of what a handler returned: they run `toJSON()`, getters and views. */
const SERIALIZING = ['json', 'jsonp', 'render', 'send'];

/**
 * Has the answer to one request serialized inside its load: Nest does so after the interceptors, in the context of its router.
 *
 * @param value what the handler returned; a stream is read in the context in which it is piped
 */
export function serializeInLoad(response: object, value: unknown, context: LoadContext): void {
  for (const name of SERIALIZING) runMethodInLoad(response, name, context);
  if (value instanceof StreamableFile) runMethodInLoad(value.getStream(), 'pipe', context);
}

function runMethodInLoad(target: object, name: string, context: LoadContext): void {
  const original: unknown = Reflect.get(target, name);
  if (typeof original !== 'function') return;
  const value = function (this: object, ...given: unknown[]): unknown {
    const run = (): unknown => Reflect.apply(original, this, given);
    return context.isOpen ? runInLoad(context, run) : run();
  };
  Object.defineProperty(target, name, { value, configurable: true, enumerable: false, writable: true });
}

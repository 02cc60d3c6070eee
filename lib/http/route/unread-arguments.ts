import type { CompiledKey } from '../../keys/index.js';
import type { KeyRequest } from '../../keys/key.interface.js';
import { handlerShape } from './handler-shape.js';

/**
 * What a handler asks for by name, `@Param('id')` or `@Query('page')`, and its key does not hold: requests that differ in it would share
 * an answer. Told by trying: the key of two requests that differ in nothing else. Empty where code of the user's makes the key.
 */
export function unreadArguments(key: CompiledKey, controller: Function, handler: string): readonly string[] {
  if (key.runsUserCode) return [];
  const { routeArguments = [] } = handlerShape(controller, handler, []);
  return routeArguments.flatMap(({ source, name }) => {
    if (name === undefined || (source !== 'param' && source !== 'query')) return [];
    const part = source === 'param' ? 'params' : 'query';
    const [one, other] = ['1', '2'].map((value) => key.partsOf(asking({ [part]: { [name]: value } })));
    return one === other ? [`@${source === 'param' ? 'Param' : 'Query'}('${name}')`] : [];
  });
}

function asking(parts: Partial<KeyRequest>): { args: []; request: KeyRequest } {
  const user = { id: 0 };
  return {
    args: [],
    request: { method: 'GET', url: '/', headers: {}, params: {}, query: {}, user, ...parts },
  };
}

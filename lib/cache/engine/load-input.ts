import type { AnyStorage } from './async-storages.js';

/** Something that a load read and that chooses its value, such as a request header. */
export interface LoadInput {
  /** For the log, e.g. `the request header x-tenant`. Each input once in a load. */
  readonly name: string;
  /** What to write so that the value may be stored. */
  readonly advice: string;
}

/** An ambient context that was entered before a load and read in it; or was not there. */
export class StoreInput implements LoadInput {
  readonly name = 'an ambient context (AsyncLocalStorage)';
  readonly advice =
    'pass what it needs as an argument, or say what every key holds of the context: ' +
    `forRoot({ keyContext: () => ({ tenant: … }) })`;

  constructor(
    readonly storage: AnyStorage,
    readonly store: unknown,
  ) {}
}

/** Members under which nestjs-cls keeps its own state and that of its plugins; what it saves of a request is watched there. */
const OWN_OF_CLS = /^(?:CLS_|TRANSACTION)/;

/** A store of nestjs-cls, which reports reads of members that the application put there. */
export function membersRead(store: object, report: () => void): object {
  const look = (name: string | symbol): void => {
    if (typeof name === 'symbol' ? !OWN_OF_CLS.test(name.description ?? '') : !(name in Object.prototype))
      report();
  };
  return new Proxy(store, {
    get(target, name) {
      look(name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      look(name);
      return Reflect.has(target, name);
    },
    ownKeys(target) {
      report();
      return Reflect.ownKeys(target);
    },
  });
}

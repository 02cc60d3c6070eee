import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import type { Dispatcher } from '../invalidation/jobs/dispatcher.interface.js';

export const DISPATCHER_METADATA = 'nestjs-restflow-cache:dispatcher';

/**
 * Registers a provider as a dispatcher, which rules select by this name or by its class.
 *
 * @param name what rules write as `dispatcher: 'name'`
 * @example
 * @InvalidationDispatcher('my-runtime')
 * class MyDispatcher implements Dispatcher { … }
 *
 * @publicApi
 */
export function InvalidationDispatcher(name: string): (target: new (...args: never[]) => Dispatcher) => void {
  return (target) => {
    Injectable()(target);
    Reflect.defineMetadata(DISPATCHER_METADATA, name, target);
  };
}

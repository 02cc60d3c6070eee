export { BackgroundDispatcher, type BackgroundSettings } from './background.dispatcher.js';
export { InlineDispatcher } from './inline.dispatcher.js';
export { DISPATCHER_METADATA, InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';

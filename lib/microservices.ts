export {
  invalidationController,
  type InvalidationControllerOptions,
} from './dispatchers/invalidation.controller.js';
export { invalidationEvents, type InvalidationEventsOptions } from './dispatchers/event.controller.js';
export {
  microserviceDispatcher,
  type EventClient,
  type MicroserviceOptions,
} from './dispatchers/microservice.dispatcher.js';

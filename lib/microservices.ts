export {
  invalidationController,
  type InvalidationControllerOptions,
} from './dispatchers/microservice/invalidation.controller.js';
export {
  microserviceDispatcher,
  type EventClient,
  type MicroserviceOptions,
} from './dispatchers/microservice/microservice.dispatcher.js';

export { bullMqDispatcher, type BullMqOptions } from './dispatchers/bullmq/bullmq.dispatcher.js';

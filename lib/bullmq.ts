export { bullMqDispatcher, type BullMqOptions } from './dispatchers/bullmq.dispatcher.js';

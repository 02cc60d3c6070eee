export { instrumentCache, type OpenTelemetryOptions } from './opentelemetry/instrument-cache.js';
export { RestflowOpenTelemetryModule } from './opentelemetry/opentelemetry.module.js';

export {
  type MeasuredCache,
  type MetricRegistry,
  registerMetrics,
  type RegisterMetricsOptions,
} from './prometheus/register-metrics.js';
export { type PrometheusModuleOptions, RestflowPrometheusModule } from './prometheus/prometheus.module.js';

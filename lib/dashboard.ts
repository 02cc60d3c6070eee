export type { DashboardOptions } from './dashboard/dashboard-options.js';
export { RestflowDashboardModule } from './dashboard/dashboard.module.js';

export { ManualClock } from '../../lib/cache/manual-clock.js';

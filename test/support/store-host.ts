/** What an application would tell a store: the system's time, and nobody to log to. */
export { UNATTACHED as storeHost } from '../../lib/stores/store.interface.js';

/** What both processes must agree on. `npm run sample:02` sets the URLs, unless you did. */
export const settings = {
  postgres: process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres',
  redis: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  namespace: process.env['NAMESPACE'] ?? 'sample-02',
};

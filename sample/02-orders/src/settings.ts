/** What the processes must agree on. `npm run sample:02` sets the URLs, unless you did. */
export const settings = {
  postgres: process.env['POSTGRES_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres',
  redis: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379',
  rabbitMq: process.env['RABBITMQ_URL'] ?? 'amqp://guest:guest@127.0.0.1:5672',
  namespace: process.env['NAMESPACE'] ?? 'sample-02',
  /** Another build reads another cache. */
  version: process.env['GIT_SHA'] ?? 'development',
  /** The name of one of the dispatchers in dispatchers.ts. */
  dispatcher: process.env['DISPATCHER'] || 'bullmq',
};

import 'reflect-metadata';
import { outboxMigration } from 'nestjs-restflow-cache';
import { DataSource } from 'typeorm';
import { Customer } from './customers/customer.entity.js';
import { OrderLine } from './orders/order-line.entity.js';
import { Order } from './orders/order.entity.js';
import { seed } from './seed.js';
import { settings } from './settings.js';

// Runs before the other processes, as the migrations of a deployment do: makes the tables, and that of the outbox.
const database = new DataSource({
  type: 'postgres',
  url: settings.postgres,
  entities: [Customer, Order, OrderLine],
  synchronize: true,
  migrations: [outboxMigration()],
  migrationsRun: true,
});
await database.initialize();
await seed(database);
await database.destroy();

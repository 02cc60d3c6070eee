import type { DataSource } from 'typeorm';
import { Customer } from './customers/customer.entity.js';
import { OrderLine } from './orders/order-line.entity.js';
import { Order } from './orders/order.entity.js';

const CUSTOMERS = ['Ada', 'Grace', 'Barbara', 'Edsger', 'Margaret'];
const PRODUCTS = ['coffee', 'bread', 'honey', 'apples', 'olives', 'cheese', 'rice'];

/** An empty database gets five customers with four orders each, of three lines. */
export async function seed(database: DataSource): Promise<void> {
  await database.transaction(async (manager) => {
    if (await manager.exists(Customer)) return;
    const customers = await manager.save(CUSTOMERS.map((name) => manager.create(Customer, { name })));
    const orders = await manager.save(
      customers.flatMap((customer) => [1, 2, 3, 4].map(() => manager.create(Order, { customer }))),
    );
    await manager.save(orders.flatMap(linesOf).map((line) => manager.create(OrderLine, line)));
  });
}

function linesOf(order: Order): Partial<OrderLine>[] {
  return [1, 2, 3].map((quantity) => ({
    order,
    product: PRODUCTS[(order.id + quantity) % PRODUCTS.length]!,
    quantity,
    price: 250 + 10 * order.id,
  }));
}

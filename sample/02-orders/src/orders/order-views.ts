import type { OrderLine } from './order-line.entity.js';
import type { Order } from './order.entity.js';

export interface OrderSummary {
  id: number;
  status: string;
  /** In cents. */
  total: number;
}

export interface OrderPage extends OrderSummary {
  customer: string;
  lines: { product: string; quantity: number; price: number }[];
}

export interface Statement {
  customer: number;
  orders: number;
  /** In cents, of orders that were not cancelled. */
  total: number;
}

export function summaryOf({ id, status, lines }: Order): OrderSummary {
  return { id, status, total: totalOf(lines) };
}

export function pageOf(order: Order): OrderPage {
  const lines = order.lines.map(({ product, quantity, price }) => ({ product, quantity, price }));
  return { ...summaryOf(order), customer: order.customer.name, lines };
}

export function totalOf(lines: OrderLine[]): number {
  return lines.reduce((total, { quantity, price }) => total + quantity * price, 0);
}

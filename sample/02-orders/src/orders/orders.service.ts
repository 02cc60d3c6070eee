import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { CacheResult, invalidates } from 'nestjs-restflow-cache';
import { Repository } from 'typeorm';
import { Customer } from '../customers/customer.entity.js';
import type { CreateLineDto } from './dto/create-line.dto.js';
import type { CreateOrderDto } from './dto/create-order.dto.js';
import { CustomerKey } from './order-keys.js';
import { OrderLine } from './order-line.entity.js';
import { pageOf, summaryOf, type OrderPage, type OrderSummary } from './order-views.js';
import { Order, type OrderStatus } from './order.entity.js';

@Injectable()
export class OrdersService {
  constructor(
    @InjectRepository(Order) private readonly orders: Repository<Order>,
    @InjectRepository(OrderLine) private readonly lines: Repository<OrderLine>,
    @InjectRepository(Customer) private readonly customers: Repository<Customer>,
  ) {}

  /** The dispatcher of the module: dropped before the write returns, and once more by the worker, should that have failed. */
  @CacheResult({
    keyConstructor: CustomerKey,
    invalidatesOn: [
      invalidates(Order, { fieldMapping: { customer: 'customerId' } }),
      invalidates(OrderLine, { fieldMapping: { customer: 'order.customerId' } }),
    ],
  })
  async ofCustomer(customerId: number): Promise<OrderSummary[]> {
    const orders = await this.orders.find({
      where: { customerId },
      relations: { lines: true },
      order: { id: 'ASC' },
    });
    return orders.map(summaryOf);
  }

  async page(id: number): Promise<OrderPage> {
    return pageOf(await this.#get(id));
  }

  /**
   * Lines are saved with their order loaded, here and below: so the rules know `order.customerId`, and drop what was cached
   * for one customer. Saved by a cascade they would not, and all customers' would be dropped.
   */
  async create(customerId: number, { lines }: CreateOrderDto): Promise<OrderPage> {
    const customer = await this.customers.findOneBy({ id: customerId });
    if (customer === null) throw new NotFoundException();
    return this.orders.manager.transaction(async (manager) => {
      const order = await manager.save(manager.create(Order, { customer, customerId }));
      const saved = await manager.save(lines.map((line) => manager.create(OrderLine, { ...line, order })));
      return pageOf({ ...order, lines: saved });
    });
  }

  async setStatus(id: number, status: OrderStatus): Promise<OrderPage> {
    const order = await this.#get(id);
    order.status = status;
    await this.orders.save(order);
    return pageOf(order);
  }

  async addLine(id: number, line: CreateLineDto): Promise<OrderPage> {
    const order = await this.orders.findOneBy({ id });
    if (order === null) throw new NotFoundException();
    await this.lines.save(this.lines.create({ ...line, order }));
    return this.page(id);
  }

  async #get(id: number): Promise<Order> {
    const order = await this.orders.findOne({
      where: { id },
      relations: { customer: true, lines: true },
      order: { lines: { id: 'ASC' } },
    });
    if (order === null) throw new NotFoundException();
    return order;
  }
}

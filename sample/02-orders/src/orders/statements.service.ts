import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { CacheResult, invalidates } from 'nestjs-restflow-cache';
import { Not, Repository } from 'typeorm';
import { CustomerKey } from './order-keys.js';
import { totalOf, type Statement } from './order-views.js';
import { OrderLine } from './order-line.entity.js';
import { Order } from './order.entity.js';

/** `eager: false` takes the work off the write: nothing is dropped until the dispatcher has carried out the job. */
const later = { eager: false };

@Injectable()
export class StatementsService {
  constructor(@InjectRepository(Order) private readonly orders: Repository<Order>) {}

  /** Sums up all orders of a customer, and may be late: whoever reads it does not wait for what was bought just now. */
  @CacheResult({
    keyConstructor: CustomerKey,
    invalidatesOn: [
      invalidates(Order, { fieldMapping: { customer: 'customerId' }, ...later }),
      invalidates(OrderLine, { fieldMapping: { customer: 'order.customerId' }, ...later }),
    ],
  })
  async ofCustomer(customerId: number): Promise<Statement> {
    const orders = await this.orders.find({
      where: { customerId, status: Not('cancelled') },
      relations: { lines: true },
    });
    const total = totalOf(orders.flatMap(({ lines }) => lines));
    return { customer: customerId, orders: orders.length, total };
  }
}

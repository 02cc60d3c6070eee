import { Body, Controller, Get, Param, ParseIntPipe, Patch, Post } from '@nestjs/common';
import { CacheResponse, invalidates } from 'nestjs-restflow-cache';
import { Customer } from '../customers/customer.entity.js';
import { CreateLineDto } from './dto/create-line.dto.js';
import { UpdateOrderDto } from './dto/update-order.dto.js';
import { OrderLine } from './order-line.entity.js';
import type { OrderPage } from './order-views.js';
import { Order } from './order.entity.js';
import { OrdersService } from './orders.service.js';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  /** `inline`: the process that wrote drops the page before the write returns. There is no job. */
  @Get(':id')
  @CacheResponse({
    invalidatesOn: [
      invalidates(Order, { fieldMapping: { id: 'id' }, dispatcher: 'inline' }),
      invalidates(OrderLine, { fieldMapping: { id: 'orderId' }, dispatcher: 'inline' }),
      invalidates(Customer, {
        scope: 'all',
        watchFields: ['name'],
        triggerOnCreate: false,
        dispatcher: 'inline',
      }),
    ],
  })
  findOne(@Param('id', ParseIntPipe) id: number): Promise<OrderPage> {
    return this.orders.page(id);
  }

  @Patch(':id')
  update(@Param('id', ParseIntPipe) id: number, @Body() { status }: UpdateOrderDto): Promise<OrderPage> {
    return this.orders.setStatus(id, status);
  }

  @Post(':id/lines')
  addLine(@Param('id', ParseIntPipe) id: number, @Body() line: CreateLineDto): Promise<OrderPage> {
    return this.orders.addLine(id, line);
  }
}

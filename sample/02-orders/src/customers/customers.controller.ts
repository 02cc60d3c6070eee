import { Body, Controller, Get, Param, ParseIntPipe, Post, Res } from '@nestjs/common';
import { CacheService, setResponseCacheHeaders, type HeaderTarget } from 'nestjs-restflow-cache';
import { CreateOrderDto } from '../orders/dto/create-order.dto.js';
import type { OrderPage, OrderSummary, Statement } from '../orders/order-views.js';
import { OrdersService } from '../orders/orders.service.js';
import { StatementsService } from '../orders/statements.service.js';

/** The handlers call cached methods, and say in the headers of the response what the cache did. */
@Controller('customers/:customer')
export class CustomersController {
  constructor(
    private readonly orders: OrdersService,
    private readonly cache: CacheService,
  ) {}

  @Get('orders')
  async list(
    @Param('customer', ParseIntPipe) customer: number,
    @Res({ passthrough: true }) response: HeaderTarget,
  ): Promise<OrderSummary[]> {
    const cached = this.cache.for(OrdersService, 'ofCustomer');
    const [orders, metadata] = await cached.getWithMetadata(customer);
    setResponseCacheHeaders(response, metadata);
    return orders;
  }

  @Get('statement')
  async statement(
    @Param('customer', ParseIntPipe) customer: number,
    @Res({ passthrough: true }) response: HeaderTarget,
  ): Promise<Statement> {
    const cached = this.cache.for(StatementsService, 'ofCustomer');
    const [statement, metadata] = await cached.getWithMetadata(customer);
    setResponseCacheHeaders(response, metadata);
    return statement;
  }

  @Post('orders')
  create(
    @Param('customer', ParseIntPipe) customer: number,
    @Body() order: CreateOrderDto,
  ): Promise<OrderPage> {
    return this.orders.create(customer, order);
  }
}

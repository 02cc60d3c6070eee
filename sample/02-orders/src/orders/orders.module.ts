import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Customer } from '../customers/customer.entity.js';
import { OrderLine } from './order-line.entity.js';
import { Order } from './order.entity.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';
import { StatementsService } from './statements.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([Customer, Order, OrderLine])],
  controllers: [OrdersController],
  providers: [OrdersService, StatementsService],
  exports: [OrdersService, StatementsService],
})
export class OrdersModule {}

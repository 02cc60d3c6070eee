import { Module } from '@nestjs/common';
import { OrdersModule } from '../orders/orders.module.js';
import { CustomersController } from './customers.controller.js';

@Module({ imports: [OrdersModule], controllers: [CustomersController] })
export class CustomersModule {}

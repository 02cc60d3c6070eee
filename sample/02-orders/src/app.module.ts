import { Module, ValidationPipe } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { cacheModule } from './cache.js';
import { CustomersModule } from './customers/customers.module.js';
import { setup } from './dispatchers.js';
import { OrdersModule } from './orders/orders.module.js';
import { settings } from './settings.js';

/** The web process: answers requests, and gives what must be invalidated to the dispatcher. */
@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: settings.postgres,
      autoLoadEntities: true,
    }),
    cacheModule({ dispatchers: setup.web(), defaultDispatcher: settings.dispatcher }),
    OrdersModule,
    CustomersModule,
  ],
  providers: [{ provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) }],
})
export class AppModule {}

import { Module, ValidationPipe } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { cacheModule } from './cache.js';
import { CustomersModule } from './customers/customers.module.js';
import { OrdersModule } from './orders/orders.module.js';
import { SeedModule } from './seed/seed.module.js';
import { settings } from './settings.js';

/** The web process: answers requests, and sends what must be invalidated to the queue. */
@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: settings.postgres,
      autoLoadEntities: true,
      synchronize: true,
    }),
    cacheModule({ work: false }),
    OrdersModule,
    CustomersModule,
    SeedModule,
  ],
  providers: [{ provide: APP_PIPE, useValue: new ValidationPipe({ transform: true, whitelist: true }) }],
})
export class AppModule {}

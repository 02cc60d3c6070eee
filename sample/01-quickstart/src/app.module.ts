import { Module, ValidationPipe } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { RestflowCacheModule } from 'nestjs-restflow-cache';
import { RestflowDashboardModule } from 'nestjs-restflow-cache/dashboard';
import { ArticlesModule } from './articles/articles.module.js';
import { SeedModule } from './seed/seed.module.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'sqljs', autoLoadEntities: true, synchronize: true }),
    RestflowCacheModule.forRoot({ ttl: '10m', setCacheHeaders: true }),
    // It listens on this machine alone. Give yours a guard.
    RestflowDashboardModule.forRoot({ path: '/cache', open: true, actions: true }),
    ArticlesModule,
    SeedModule,
  ],
  providers: [
    {
      provide: APP_PIPE,
      useValue: new ValidationPipe({
        transform: true,
        whitelist: true,
        transformOptions: { exposeUnsetFields: false },
      }),
    },
  ],
})
export class AppModule {}

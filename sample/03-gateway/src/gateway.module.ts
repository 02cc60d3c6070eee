import { type DynamicModule, Module } from '@nestjs/common';
import { RestflowCacheModule } from 'nestjs-restflow-cache';
import { GatewayController } from './gateway.controller.js';
import { Origin } from './origin.js';

export interface GatewayOptions {
  /** Where requests are forwarded to, e.g. `http://127.0.0.1:8000`. */
  readonly origin: string;
  /** How long the origin may be silent before its answer begins, in milliseconds. Default 30 s. */
  readonly timeout?: number;
}

@Module({})
export class GatewayModule {
  static forOrigin({ origin, timeout = 30_000 }: GatewayOptions): DynamicModule {
    return {
      module: GatewayModule,
      imports: [RestflowCacheModule.forRoot({ dataSources: false })],
      controllers: [GatewayController],
      providers: [{ provide: Origin, useFactory: () => new Origin(new URL(origin), timeout) }],
    };
  }
}

import {
  Injectable,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Observable } from 'rxjs';
import type { PlatformName } from '../../http/support/application.js';
import { placeOf, shaped, StepState, unshaped, type Exchange } from './places.js';
import type { Stage, Step } from './recipe.js';
import { read, type AnyRequest } from './ways.js';

/** Stages that see the requests of Node where others see those of Fastify. */
const RAW_STAGES: readonly Stage[] = ['instance', 'use', 'middleware'];

export function exchangeOf(context: ArgumentsHost): Exchange {
  const http = context.switchToHttp();
  return { request: http.getRequest(), response: http.getResponse() };
}

/** A step as code of one running application. */
export class RunningStep {
  readonly #state = new StepState();

  constructor(
    readonly step: Step,
    private readonly platform: PlatformName,
  ) {}

  /** As middleware, or a hook with a callback. */
  readonly handle = (request: AnyRequest, response: AnyRequest, next: () => void): void => {
    const { source, shape, place, isOptional } = this.step;
    if (isOptional && read(source, request) === undefined) {
      next();
      return;
    }
    const content = shaped(shape, () => read(source, request));
    placeOf(place).leave(content, { request, response }, this.#state, next);
  };

  asGuard(): CanActivate {
    const { handle } = this;
    @Injectable()
    class StepGuard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const { request, response } = exchangeOf(context);
        handle(request, response, () => undefined);
        return true;
      }
    }
    return new StepGuard();
  }

  asInterceptor(): NestInterceptor {
    const { handle } = this;
    return {
      intercept: (context: ExecutionContext, next: CallHandler) => {
        const { request, response } = exchangeOf(context);
        return new Observable((subscriber) => {
          handle(request, response, () => void next.handle().subscribe(subscriber));
        });
      },
    };
  }

  /** What the step left, for code within the load. */
  find(exchange: Exchange): string | undefined {
    const { stage, shape, place } = this.step;
    const isRaw = this.platform === 'fastify' && RAW_STAGES.includes(stage);
    const seen = isRaw
      ? { request: exchange.request['raw'], response: exchange.response['raw'] ?? exchange.response }
      : exchange;
    return unshaped(shape, placeOf(place).find(seen, this.#state));
  }
}

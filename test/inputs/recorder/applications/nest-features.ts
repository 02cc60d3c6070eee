import {
  type CanActivate,
  Controller,
  type DynamicModule,
  Get,
  HostParam,
  type MiddlewareConsumer,
  Module,
  Post,
  type RawBodyRequest,
  Req,
  Scope,
  Sse,
  StreamableFile,
  UseGuards,
  Version,
  VERSION_NEUTRAL,
  VersioningType,
} from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { of } from 'rxjs';
import type { RecordedApplication } from '../application.interface.js';

@Controller({ path: 'scoped', scope: Scope.REQUEST })
class ScopedController {
  @Get()
  get(): object {
    return {};
  }
}

@Controller({ path: 'hosted', host: ':tenant.example.com' })
class HostController {
  @Get()
  get(@HostParam('tenant') tenant: string): object {
    return { tenant };
  }
}

class Open implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@UseGuards(Open)
@Controller('features')
class FeaturesController {
  @Version('2')
  @Get('versioned')
  versioned(): object {
    return {};
  }

  @Get('file')
  file(): StreamableFile {
    return new StreamableFile(Buffer.from('text'));
  }

  @Sse('events')
  events(): unknown {
    return of({ data: 'one' });
  }

  @Post('raw')
  raw(@Req() request: RawBodyRequest<object>): object {
    return { length: request.rawBody?.length };
  }
}

@Module({})
class MiddlewareModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply((_request: object, _response: object, next: () => void) => next()).forRoutes('*path');
  }
}

const configure = (app: INestApplication): void => {
  app.enableVersioning({
    type: VersioningType.HEADER,
    header: 'x-api-version',
    defaultVersion: VERSION_NEUTRAL,
  });
};

/** What Nest itself reads and sets with its own features: versions, hosts, scopes, middleware, raw bodies, streams. */
export const application: RecordedApplication = {
  options: { rawBody: true },
  imports: [MiddlewareModule as unknown as DynamicModule],
  controllers: [ScopedController, HostController, FeaturesController],
  express: configure,
  fastify: configure,
  requests: [
    { path: '/scoped', headers: { 'x-api-version': '1' } },
    { path: '/hosted', headers: { 'x-api-version': '1', host: 'acme.example.com' } },
    { path: '/features/versioned', headers: { 'x-api-version': '2' } },
    { path: '/features/file', headers: { 'x-api-version': '1' } },
    { path: '/features/events', headers: { 'x-api-version': '1' } },
    {
      method: 'POST',
      path: '/features/raw',
      headers: { 'x-api-version': '1', 'content-type': 'application/json', 'content-length': '7' },
      body: '{"a":1}',
    },
  ],
};

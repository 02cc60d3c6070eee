import { createHmac } from 'node:crypto';
import { Controller, Get, Injectable, UseGuards } from '@nestjs/common';
import { AuthGuard, PassportModule, PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { RecordedApplication } from '../application.interface.js';

const secret = 'secret';
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const unsigned = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'user-1' })}`;
const token = `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;

@Injectable()
class JwtStrategy extends PassportStrategy(Strategy) {
  constructor() {
    super({ jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: secret });
  }

  validate({ sub }: { sub: string }): object {
    return { id: sub };
  }
}

@UseGuards(AuthGuard('jwt'))
@Controller('account')
class AccountController {
  @Get()
  get(): object {
    return {};
  }
}

export const application: RecordedApplication = {
  imports: [PassportModule],
  controllers: [AccountController],
  providers: [JwtStrategy],
  express() {},
  fastify() {},
  requests: [{ path: '/account', headers: { authorization: `Bearer ${token}` } }],
};

import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { HeadersKeyField, RequestValueKeyField, ResponseCacheKeyConstructor } from '../../../lib/index.js';

interface RequestOfUser {
  headers: Record<string, string | undefined>;
  user?: { id: string };
}

/** Takes the user from a header that the cache knows nothing of. */
@Injectable()
export class UserGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<RequestOfUser>();
    const id = request.headers['x-user'];
    if (id !== undefined) request.user = { id };
    return true;
  }
}

export class PerUser extends ResponseCacheKeyConstructor {
  user = new RequestValueKeyField('user.id', { partition: true });
}

export class PerToken extends ResponseCacheKeyConstructor {
  token = new HeadersKeyField('authorization', { hashValue: true });
}

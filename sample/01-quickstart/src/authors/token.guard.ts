import { Injectable, UnauthorizedException, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Author } from './author.entity.js';

export interface AuthenticatedRequest {
  headers: { authorization?: string };
  user: Author;
}

/** Puts the author whom the bearer token belongs to on the request. Guards run on hits too. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(@InjectRepository(Author) private readonly authors: Repository<Author>) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    const author = token === undefined ? null : await this.authors.findOneBy({ token });
    if (author === null) throw new UnauthorizedException();
    request.user = author;
    return true;
  }
}

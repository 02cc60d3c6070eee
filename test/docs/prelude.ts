// What the code in README.md and docs/ takes for granted: a few entities and services of a blog.
import {
  Column,
  DataSource,
  Entity,
  ManyToOne,
  PrimaryGeneratedColumn,
  type QueryRunner,
  type Relation,
  type Repository,
} from 'typeorm';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  KeyConstructor,
  type CacheService,
  type CacheStore,
} from '../../lib/index.js';

@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
  @Column() email!: string;
}

@Entity()
export class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ unique: true }) slug!: string;
  @Column() title!: string;
  @Column({ default: 'published' }) status!: string;
  @Column({ default: 1 }) authorId!: number;
}

@Entity()
export class Comment {
  @PrimaryGeneratedColumn() id!: number;
  @ManyToOne(() => Article) article!: Relation<Article>;
  @Column() text!: string;
}

@Entity()
export class Tag {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

export async function expensiveLookup(_: unknown): Promise<any> {
  return {};
}

export class UserPayloadKey extends KeyConstructor {
  user = new ArgsKeyField('userId', { partition: true });
}

export class ArticlesService {
  async findOne(slug: string): Promise<Article> {
    return expensiveLookup(slug);
  }
}

export class ArticlesController {
  @CacheResponse(60)
  async findOne(slug: string): Promise<Article> {
    return expensiveLookup(slug);
  }
}

export class UsersService {
  @CacheResult(60)
  async find(id: number): Promise<User> {
    return expensiveLookup(id);
  }
}

export declare const cache: CacheService;
export declare const store: CacheStore;
export declare const articles: Repository<Article>;
export declare const comments: Repository<Comment>;
export declare const dataSource: DataSource;
export declare function beginTransfer(): Promise<QueryRunner>;

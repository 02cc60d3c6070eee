import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { Column, DataSource, Entity, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates } from '../../lib/index.js';

@Entity('remarked_page')
export class Page {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) slug!: string;
}

@Entity('remark')
export class Remark {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) text!: string;
  @ManyToOne(() => Page, { nullable: false }) page!: Page;
}

export const BY_SLUG = { slug: new ArgsKeyField('slug', { partition: true }) };

/** A cached read whose partition no change of a remark carries: it must be looked up. */
@Injectable()
export class Remarks {
  constructor(private readonly dataSource: DataSource) {}

  @CacheResult({
    keyConstructor: BY_SLUG,
    invalidatesOn: [invalidates(Remark, { fieldMapping: { slug: 'page.slug' }, lookup: true })],
  })
  async of(slug: string): Promise<string[]> {
    const found = await this.dataSource
      .getRepository(Remark)
      .find({ where: { page: { slug } }, order: { id: 'ASC' } });
    return found.map(({ text }) => text);
  }
}

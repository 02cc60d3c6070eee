import { Column, Entity, ManyToOne, OneToMany, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Customer } from '../customers/customer.entity.js';
import { OrderLine } from './order-line.entity.js';

export const STATUSES = ['open', 'paid', 'shipped', 'cancelled'] as const;
export type OrderStatus = (typeof STATUSES)[number];

@Entity('orders')
export class Order {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('varchar', { default: 'open' })
  status!: OrderStatus;

  @ManyToOne(() => Customer, { nullable: false })
  customer!: Relation<Customer>;

  /** A column of its own, so that rules know whose order changed whichever relations were loaded. */
  @Column()
  customerId!: number;

  @OneToMany(() => OrderLine, (line) => line.order)
  lines!: Relation<OrderLine[]>;
}

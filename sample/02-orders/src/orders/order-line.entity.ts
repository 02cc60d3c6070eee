import { Column, Entity, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Order } from './order.entity.js';

@Entity('order_lines')
export class OrderLine {
  @PrimaryGeneratedColumn()
  id!: number;

  @ManyToOne(() => Order, (order) => order.lines, { nullable: false, onDelete: 'CASCADE' })
  order!: Relation<Order>;

  @Column()
  orderId!: number;

  @Column()
  product!: string;

  @Column('int')
  quantity!: number;

  /** In cents, for one. */
  @Column('int')
  price!: number;
}

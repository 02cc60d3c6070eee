import { IsIn } from 'class-validator';
import { STATUSES, type OrderStatus } from '../order.entity.js';

export class UpdateOrderDto {
  @IsIn(STATUSES)
  status!: OrderStatus;
}

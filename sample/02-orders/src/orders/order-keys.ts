import { ArgsKeyField, KeyConstructor } from 'nestjs-restflow-cache';

/** A partition for each customer: what changes for one drops nothing of another. */
export class CustomerKey extends KeyConstructor {
  customer = new ArgsKeyField('customerId', { partition: true });
}

import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity()
export class Author {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ unique: true })
  handle!: string;

  @Column()
  name!: string;

  /** What the author sends as a bearer token. A real application would store a hash, or none at all. */
  @Column({ unique: true, select: false })
  token!: string;
}

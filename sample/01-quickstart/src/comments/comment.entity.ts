import { Column, Entity, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Article } from '../articles/article.entity.js';

@Entity()
export class Comment {
  @PrimaryGeneratedColumn()
  id!: number;

  @ManyToOne(() => Article, (article) => article.comments, { nullable: false, onDelete: 'CASCADE' })
  article!: Relation<Article>;

  @Column()
  name!: string;

  @Column('text')
  text!: string;
}

import { Column, Entity, JoinTable, ManyToMany, ManyToOne, OneToMany, PrimaryGeneratedColumn } from 'typeorm';
import { Author } from '../authors/author.entity.js';
import { Comment } from '../comments/comment.entity.js';
import { Tag } from '../tags/tag.entity.js';

export type ArticleStatus = 'draft' | 'published';

@Entity()
export class Article {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column({ unique: true })
  slug!: string;

  @Column()
  title!: string;

  @Column('text')
  text!: string;

  @Column('varchar', { default: 'published' })
  status!: ArticleStatus;

  @ManyToOne(() => Author, { nullable: false })
  author!: Author;

  /** A column of its own, so that rules know whose article changed whichever relations were loaded. */
  @Column()
  authorId!: number;

  @ManyToMany(() => Tag)
  @JoinTable()
  tags!: Tag[];

  @OneToMany(() => Comment, (comment) => comment.article)
  comments!: Comment[];
}

import {
  ChildEntity,
  Column,
  DeleteDateColumn,
  Entity,
  JoinColumn,
  JoinTable,
  ManyToMany,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  TableInheritance,
  Tree,
  TreeChildren,
  TreeParent,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';

@Entity()
export class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @OneToMany(() => Article, (article) => article.author, { cascade: true }) articles!: Relation<Article>[];
}

@Entity()
export class Category {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar', unique: true }) slug!: string;
  @OneToMany(() => Article, (article) => article.category) articles!: Relation<Article>[];
}

@Entity()
export class Tag {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) label!: string;
  @ManyToMany(() => Article, (article) => article.tags, { onDelete: 'CASCADE' })
  articles!: Relation<Article>[];
}

export class Place {
  @Column({ type: 'varchar', nullable: true }) city!: string | null;
  @Column({ type: 'varchar', nullable: true }) street!: string | null;
}

@Entity()
export class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar', unique: true }) title!: string;
  @Column({ type: 'varchar', nullable: true }) subtitle!: string | null;
  @Column({ type: 'varchar', nullable: true, select: false }) secret!: string | null;
  @Column({ type: 'int', default: 0 }) views!: number;
  @Column(() => Place) place!: Place;
  /** A foreign key with no property of its own. */
  @ManyToOne(() => Author, (author) => author.articles, { onDelete: 'CASCADE', nullable: true })
  author!: Relation<Author> | null;
  /** A foreign key with a property of its own. */
  @Column({ type: 'int', nullable: true }) categoryId!: number | null;
  @ManyToOne(() => Category, (category) => category.articles, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'categoryId' })
  category!: Relation<Category> | null;
  @ManyToMany(() => Tag, (tag) => tag.articles) @JoinTable({ name: 'article_tag' }) tags!: Relation<Tag>[];
  @OneToMany(() => Comment, (comment) => comment.article) comments!: Relation<Comment>[];
  @UpdateDateColumn() updatedAt!: Date;
  @DeleteDateColumn() deletedAt!: Date | null;
}

@Entity()
export class Comment {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) text!: string;
  @ManyToOne(() => Article, (article) => article.comments, { onDelete: 'CASCADE' })
  article!: Relation<Article>;
}

@Entity()
export class Reaction {
  @PrimaryColumn({ type: 'int' }) commentId!: number;
  @PrimaryColumn({ type: 'varchar', length: 20 }) kind!: string;
  @ManyToOne(() => Comment, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'commentId' })
  comment!: Relation<Comment>;
}

@Entity()
@TableInheritance({ column: { type: 'varchar', name: 'kind' } })
export class Media {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) file!: string;
}

@ChildEntity()
export class Photo extends Media {
  @Column({ type: 'int', nullable: true }) width!: number | null;
}

@Entity()
@Tree('closure-table')
export class Folder {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @TreeChildren() children!: Relation<Folder>[];
  @TreeParent() parent!: Relation<Folder> | null;
}

/** Rows that only tests of the collector itself write; nothing refers to it. */
@Entity()
export class Note {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'varchar' }) text!: string;
}

export const ENTITIES = [Author, Category, Tag, Article, Comment, Reaction, Media, Photo, Folder, Note];

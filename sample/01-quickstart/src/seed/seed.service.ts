import { Injectable, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Article } from '../articles/article.entity.js';
import { Author } from '../authors/author.entity.js';
import { Comment } from '../comments/comment.entity.js';
import { Tag } from '../tags/tag.entity.js';

const AUTHORS = ['Ada', 'Grace', 'Barbara', 'Edsger', 'Donald', 'Margaret', 'Dennis', 'Radia'];
const TAGS = ['travel', 'food', 'music', 'science', 'history', 'sport', 'film', 'garden', 'code', 'art'];
const ADJECTIVES = [
  'quiet',
  'green',
  'early',
  'broken',
  'silver',
  'distant',
  'patient',
  'narrow',
  'warm',
  'curious',
];
const NOUNS =
  'harbour bridge orchard station library river market mountain theatre island kitchen forest signal window engine meadow archive corner lantern valley'.split(
    ' ',
  );

/** Every run begins with the same 200 articles, one in nine of them a draft, and 400 comments. */
@Injectable()
export class SeedService implements OnModuleInit {
  constructor(private readonly dataSource: DataSource) {}

  async onModuleInit(): Promise<void> {
    await this.dataSource.transaction(async (manager) => {
      const authors = await manager.save(
        AUTHORS.map((name) =>
          manager.create(Author, { name, handle: name.toLowerCase(), token: `${name.toLowerCase()}-token` }),
        ),
      );
      const tags = await manager.save(TAGS.map((name) => manager.create(Tag, { name })));
      const articles = await manager.save(
        ADJECTIVES.flatMap((adjective, row) =>
          NOUNS.map((noun, column) =>
            this.#article(manager.create(Article), adjective, noun, row * NOUNS.length + column),
          ),
        ).map((article, index) => {
          article.author = authors[index % authors.length]!;
          article.tags = [tags[index % tags.length]!, tags[(index * 7 + 3) % tags.length]!].filter(unique);
          return article;
        }),
      );
      await manager.save(
        articles.flatMap((article, index) =>
          [1, 2].map((step) =>
            manager.create(Comment, {
              article,
              name: AUTHORS[(index + step) % AUTHORS.length]!,
              text: `Comment ${step} on “${article.title}”.`,
            }),
          ),
        ),
      );
    });
  }

  #article(article: Article, adjective: string, noun: string, index: number): Article {
    return Object.assign(article, {
      slug: `the-${adjective}-${noun}`,
      title: `The ${adjective} ${noun}`,
      text: `What there is to say about the ${adjective} ${noun}, at some length. `.repeat(20).trim(),
      status: index % 9 === 8 ? 'draft' : 'published',
    });
  }
}

function unique<T>(item: T, index: number, all: T[]): boolean {
  return all.indexOf(item) === index;
}

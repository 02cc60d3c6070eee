import { KeyConstructor, QueryParamsKeyField, RequestValueKeyField } from 'nestjs-restflow-cache';

/** The parameters that the list reads; others make no key of their own. */
export class ArticleListKey extends KeyConstructor {
  filter = new QueryParamsKeyField(['tag', 'author', 'page']);
}

/** Holds the caller, so that the answers of authenticated requests are cached, each for its own author. */
export class DraftsKey extends KeyConstructor {
  author = new RequestValueKeyField('user.id', { partition: true });
}

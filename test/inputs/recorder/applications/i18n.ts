import { Controller, Get } from '@nestjs/common';
import {
  AcceptLanguageResolver,
  CookieResolver,
  HeaderResolver,
  I18n,
  I18nContext,
  I18nLoader,
  I18nModule,
  QueryResolver,
} from 'nestjs-i18n';
import type { RecordedApplication } from '../application.interface.js';

class FixedLoader extends I18nLoader {
  async languages(): Promise<string[]> {
    return ['en', 'de'];
  }

  async load(): Promise<never> {
    return { en: { hello: 'Hello' }, de: { hello: 'Hallo' } } as never;
  }
}

@Controller('greeting')
class GreetingController {
  @Get()
  get(@I18n() i18n: I18nContext): object {
    return { text: i18n.t('hello'), lang: I18nContext.current()?.lang };
  }
}

export const application: RecordedApplication = {
  imports: [
    I18nModule.forRoot({
      fallbackLanguage: 'en',
      loader: FixedLoader as never,
      loaderOptions: {},
      resolvers: [
        new QueryResolver(['lang']),
        new HeaderResolver(['x-lang']),
        new CookieResolver(['locale']),
        AcceptLanguageResolver,
      ],
    }),
  ],
  controllers: [GreetingController],
  express() {},
  fastify() {},
  requests: [{ path: '/greeting', headers: { 'accept-language': 'de' } }],
};

import type { CacheRuntime } from '../cache/cache-runtime.js';
import { isAuthenticatedByDefault } from '../http/request/authentication.js';
import type { HitShortcut } from '../http/answer/hit-shortcut.js';
import { ResponseCacheInterceptor } from '../http/response-cache.interceptor.js';
import { ResponseRecorder } from '../http/answer/response-recorder.js';
import type { RouteTable } from '../http/route/route-table.js';
import type { ModuleSettings } from './options.js';

/** @param routes those that are known by now */
export function createInterceptor(
  runtime: CacheRuntime,
  { isAuthenticated = isAuthenticatedByDefault, explain }: ModuleSettings,
  routes: () => RouteTable | undefined,
  shortcut: HitShortcut,
): ResponseCacheInterceptor {
  return new ResponseCacheInterceptor(
    runtime,
    {
      find: (handler, controller) => routes()?.find(handler, controller),
      get storedUris() {
        return routes()?.storedUris;
      },
    },
    new ResponseRecorder(runtime),
    isAuthenticated,
    typeof explain === 'object' ? explain.secret : undefined,
    shortcut,
  );
}

import type { DiscoveryService, HttpAdapterHost } from '@nestjs/core';
import { HitShortcut, type Glance, type RegisteringAdapter } from '../http/answer/hit-shortcut.js';
import { isPlainPipeline, type PipelineSettings } from '../http/answer/plain-pipeline.js';

/** The shortcut of an application, for handlers whose pipeline does nothing before the interceptors. */
export function createShortcut(discovery: DiscoveryService, config: PipelineSettings): HitShortcut {
  return new HitShortcut((handler, controller) => {
    const wrappers = discovery.getControllers().filter(({ metatype }) => metatype === controller);
    // One that is made for each request runs its constructor, and those of what it injects.
    const isStatic = wrappers.every((wrapper) => wrapper.isDependencyTreeStatic());
    return isStatic && isPlainPipeline(config, handler, controller);
  });
}

export function installShortcut(
  shortcut: HitShortcut,
  { httpAdapter }: HttpAdapterHost,
  glance: Glance,
): void {
  // Whoever wants to know which routes run wants to know of hits too.
  if (httpAdapter.getOnRouteTriggered?.() !== undefined) return;
  shortcut.install(httpAdapter as unknown as RegisteringAdapter, glance);
}

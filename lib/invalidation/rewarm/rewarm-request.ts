import type { RewarmRequest } from './rewarm.interface.js';

/** @throws TypeError for what is no request to repeat */
export function assertRequest(given: unknown): RewarmRequest {
  const { url, headers } = (given ?? {}) as Partial<Record<keyof RewarmRequest, unknown>>;
  if (typeof url !== 'string' || !/^(?:\/(?!\/)|https?:\/\/)/i.test(url) || /[\s\0]/.test(url))
    throw new TypeError(
      `its url is ${JSON.stringify(url)}. Write a path, '/articles/intro', or a URL with its host`,
    );
  if (headers === undefined) return { url };
  const areTexts =
    typeof headers === 'object' &&
    headers !== null &&
    Object.values(headers).every((value) => typeof value === 'string' && !/[\r\n\0]/.test(value));
  if (!areTexts)
    throw new TypeError(`its headers are no record of texts. Write { authorization: 'Bearer …' }`);
  return { url, headers: headers as Record<string, string> };
}

import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FastifyReplyLike } from '../../../lib/http/platform/fastify-internals.js';

const context = Symbol('fastify.context');
const headers = Symbol('fastify.reply.headers');
const trailers = Symbol('fastify.reply.trailers');

/** A reply of Fastify 5, as far as its internals go. */
function reply(changes: object = {}, onSend: unknown = [() => undefined]): FastifyReplyLike {
  const request = { raw: { httpVersionMajor: 1 }, [context]: { onSend } };
  return { request, [headers]: {}, [trailers]: null, ...changes } as unknown as FastifyReplyLike;
}

describe('the check of Fastify internals', () => {
  let internals: typeof import('../../../lib/http/platform/fastify-internals.js');
  beforeEach(async () => {
    jest.resetModules();
    internals = await import('../../../lib/http/platform/fastify-internals.js');
  });

  it.each([
    ['no hook', null, false],
    ['only our hook', [1], false],
    ['a later hook', [1, 2], true],
  ])('knows a route with %s', (_what, onSend, hasLater) => {
    expect(internals.hasLaterHooks(reply({}, onSend))).toBe(hasLater);
    expect(internals.internalsOf(reply({}, onSend))).toEqual({ context, headers, trailers });
  });

  it.each([
    ['has no context', reply({ request: { raw: {} } })],
    ['keeps its hooks elsewhere', reply({}, 'elsewhere')],
    ['keeps its headers elsewhere', reply({ [headers]: undefined })],
    ['keeps its trailers elsewhere', reply({ [trailers]: undefined })],
  ])('sends hits the ordinary way in a Fastify that %s', (_what, unknown) => {
    expect(internals.internalsOf(unknown)).toBeUndefined();
    expect(internals.hasLaterHooks(unknown)).toBe(true);
  });
});

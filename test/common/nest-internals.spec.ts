import { Module } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  applicationConfigOf,
  assertRouteMetadata,
  canTellPlainPipelines,
  NEST_METADATA,
} from '../../lib/common/nest-internals.js';

type Name = keyof typeof NEST_METADATA;

const names = { ...NEST_METADATA };

/** As though Nest had renamed a key. */
function renamed(name: Name): void {
  NEST_METADATA[name] = 'renamed';
}

@Module({})
class Unknown {}

describe('the boot check of private names of Nest', () => {
  afterEach(() => void Object.assign(NEST_METADATA, names));

  it('knows the installed version', () => {
    expect(canTellPlainPipelines()).toBe(true);
    expect(assertRouteMetadata).not.toThrow();
  });

  it.each<Name>(['guards', 'headers', 'host', 'sse'])(
    'takes no pipeline for plain where Nest keeps %s elsewhere',
    (name) => {
      renamed(name);
      expect(canTellPlainPipelines()).toBe(false);
    },
  );

  it.each<Name>(['path', 'method', 'routeArguments', 'modulePath'])(
    'refuses to start where Nest keeps %s elsewhere',
    (name) => {
      renamed(name);
      expect(assertRouteMetadata).toThrow(/does not know this version of @nestjs\/core.*Use Nest 11 or 12/);
    },
  );

  it('refuses to start where Nest has no application configuration', () => {
    const moduleRef = { container: { applicationConfig: { getGlobalPrefix: () => '' } }, type: Unknown };
    expect(() => applicationConfigOf(moduleRef as never)).toThrow(/it has no application configuration/);
  });
});

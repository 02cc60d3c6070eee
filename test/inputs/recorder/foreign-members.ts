import {
  type MemberHolder,
  type PlatformMembers,
  platformMembers,
} from '../../../lib/http/inputs/platform-members.js';
import type { Exchange, Observer, Phase } from './recorder.js';
import { labelOf } from './watched-object.js';

/** Collects the members that `platformMembers()` finds foreign on unwatched objects, when the load begins. */
export class ForeignMembers implements Observer {
  readonly #found = new Map<MemberHolder, Set<string>>();
  #targets: { holder: MemberHolder; target: object; members: PlatformMembers }[] = [];

  begin({ request, raw, response, rawResponse }: Exchange): void {
    const holders: [MemberHolder, object | undefined][] = request
      ? [
          ['fastify.request', request],
          ['fastify.reply', response],
          ['fastify.raw', raw],
          ['fastify.rawResponse', rawResponse],
        ]
      : [
          ['express.request', raw],
          ['express.response', response],
        ];
    this.#targets = holders.map(([holder, target]) => ({
      holder,
      target: target!,
      members: platformMembers(holder, target!),
    }));
  }

  enter(phase: Phase): void {
    if (phase === 'load') this.#collect();
  }

  end(): void {
    this.#targets = [];
  }

  lists(): Record<string, string[]> {
    return Object.fromEntries([...this.#found].map(([holder, labels]) => [holder, [...labels].sort()]));
  }

  #collect(): void {
    for (const { holder, target, members } of this.#targets) {
      const found = this.#found.get(holder) ?? new Set();
      this.#found.set(holder, found);
      for (const member of members.foreign(target)) found.add(labelOf(member));
    }
  }
}

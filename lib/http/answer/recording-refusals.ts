import type { RecordingRefusal } from '../platform.interface.js';

type Refusals = Readonly<Partial<Record<RecordingRefusal, string>>>;

const REFUSALS: Refusals = {
  aborted:
    'its client went away, or its handler failed, before it was complete. If that is not rare, let the handler finish what it begins',
  hijacked: 'its handler took over the connection; leave it without @CacheResponse()',
  'event-stream': 'it is a stream of events, which has no end; leave its handler without @CacheResponse()',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers; say in headers what they say, or leave its handler without @CacheResponse()',
  'length-mismatch': 'its Content-Length is not the length of its body; leave that header to the platform',
};

/** Why an answer could not be recorded, and what to write; nothing where another one went out in its place. */
export function whyNotRecorded(refusal: RecordingRefusal, maxBodyBytes: number): string | undefined {
  if (refusal !== 'too-large') return REFUSALS[refusal];
  return `its body is larger than ${maxBodyBytes} bytes; maxBodyBytes: ${maxBodyBytes * 10} would store ten times as much`;
}

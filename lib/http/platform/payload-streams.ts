import { isBytes } from './recorded-body.js';
import type { ResponseRecording } from './response-recording.js';

/** The part of a Node Readable, or of an older stream, that is used here. */
export interface NodeStreamPayload {
  emit(event: string | symbol, ...args: unknown[]): boolean;
  on(event: string, listener: () => void): unknown;
  pipe: unknown;
  resume(): unknown;
  destroy?(): unknown;
}

export function isNodeStream(payload: unknown): payload is NodeStreamPayload {
  return typeof (payload as NodeStreamPayload | null)?.pipe === 'function';
}

export function isWebStream(payload: unknown): payload is ReadableStream<Uint8Array> {
  return typeof (payload as ReadableStream | null)?.getReader === 'function';
}

/**
 * Records the chunks that a reader of a Node stream gets, by replacing `emit`. A listener would start the stream before the platform (or an
 * asynchronous hook) is ready to read it; a stream in between would delay and buffer every chunk.
 */
export function observeNodeStream(stream: NodeStreamPayload, recording: ResponseRecording): void {
  const emit = stream.emit;
  const observed = function (this: NodeStreamPayload, event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'data') addChunk(recording, args[0]);
    const result = Reflect.apply(emit, this, [event, ...args]);
    if (event === 'end') recording.complete();
    else if (event === 'error' || event === 'close') recording.refuse('aborted');
    return result;
  };
  stream.emit = observed;
  recording.onSettled(() => {
    if (stream.emit === observed) stream.emit = emit;
  });
}

/** A web stream with the same chunks, which records each chunk as it is read. Nothing is read ahead. */
export function observeWebStream(
  source: ReadableStream<Uint8Array>,
  recording: ResponseRecording,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) {
          recording.complete();
          controller.close();
          return;
        }
        addChunk(recording, value);
        controller.enqueue(value);
      },
      cancel(reason) {
        recording.refuse('aborted');
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads to the end, only for the recording. */
export function drainNodeStream(stream: NodeStreamPayload, recording: ResponseRecording): () => void {
  const stop = (): void => void stream.destroy?.();
  stream.on('error', () => recording.refuse('aborted'));
  recording.onSettled(stop);
  stream.resume();
  return stop;
}

/** Reads to the end, only for the recording. */
export function drainWebStream(stream: ReadableStream<Uint8Array>, recording: ResponseRecording): () => void {
  const reader = stream.getReader();
  const stop = (): void => void reader.cancel().catch(() => undefined);
  const readOn = async (): Promise<void> => {
    while (!recording.settled && !(await reader.read()).done);
  };
  readOn().catch(() => recording.refuse('aborted'));
  recording.onSettled(stop);
  return stop;
}

/** Records a chunk. A chunk that cannot be written fails the response by itself. */
function addChunk(recording: ResponseRecording, chunk: unknown): void {
  if (isBytes(chunk)) recording.add(chunk);
  else recording.refuse('aborted');
}

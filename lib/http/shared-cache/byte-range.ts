import { parseHttpDate } from '../http-date.js';
import type { RecordedResponse, SendingManner } from '../http-platform.interface.js';
import type { JudgedFields } from './judged-fields.js';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * The answer to a Range request from a stored 200: the part (206), or that there is no such part (416). Only for one range
 * of bytes; anything else is answered in full, as a server may (RFC 9110 §14.2).
 *
 * @returns `undefined` where the whole response is the answer
 */
export function partOf(
  headers: Headers,
  recorded: RecordedResponse,
  fields: JudgedFields,
): RecordedResponse | undefined {
  const range = headers['range'];
  if (typeof range !== 'string' || recorded.status !== 200) return undefined;
  if (!ifRangeHolds(headers['if-range'], fields)) return undefined;
  const size = recorded.body.length;
  const bounds = boundsOf(range, size);
  if (bounds === undefined) return undefined;
  if (bounds === 'unsatisfiable') return unsatisfiable(recorded, size);
  const [first, last] = bounds;
  return {
    ...recorded,
    status: 206,
    headers: [...recorded.headers, ['Content-Range', `bytes ${first}-${last}/${size}`]],
    body: recorded.body.subarray(first, last + 1),
    manner: mannerOfPart(recorded),
  };
}

function boundsOf(range: string, size: number): readonly [number, number] | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(range) ?? [];
  if (from === undefined || (from === '' && to === '')) return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : [size - length, size - 1];
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : [first, last];
}

/** Its status has a reason of its own, and its bytes may begin within a character. */
function mannerOfPart({ manner }: RecordedResponse): SendingManner | undefined {
  return manner?.onRaw === true ? { onRaw: true } : undefined;
}

function unsatisfiable(recorded: RecordedResponse, size: number): RecordedResponse {
  return {
    ...recorded,
    status: 416,
    headers: [['Content-Range', `bytes */${size}`]],
    body: Buffer.alloc(0),
    manner: mannerOfPart(recorded),
  };
}

/** RFC 9110 §13.1.5: by strong comparison; a date only where it is a strong validator (§8.8.2.2). */
function ifRangeHolds(condition: string | string[] | undefined, fields: JudgedFields): boolean {
  if (condition === undefined) return true;
  const text = String(condition).trim();
  if (text.startsWith('"')) return text === fields.etag;
  const wanted = parseHttpDate(text);
  const sent = parseHttpDate(fields.date);
  const isStrong = wanted !== undefined && sent !== undefined && sent - wanted >= 1000;
  return isStrong && wanted === parseHttpDate(fields['last-modified']);
}

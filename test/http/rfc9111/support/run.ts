import { expect } from '@jest/globals';
import type { Answer, Ask } from './client.js';
import { dated, splitLine, type Asked, type ScriptedOrigin } from './origin.js';
import type { Case, Step } from './steps.js';

let cases = 0;

/** Plays a case on a URI of its own. */
export async function run(
  [, , ...steps]: Case,
  origin: ScriptedOrigin,
  ask: (request: Ask) => Promise<Answer>,
): Promise<void> {
  const path = `/case-${++cases}`;
  const bodies: string[] = [];
  for (const [index, one] of steps.entries()) {
    if (one.pause > 0) await new Promise((resolve) => setTimeout(resolve, one.pause));
    const body = `${path} body ${bodies.length + 1}`;
    const hasBody = one.reaches && one.origin.status !== 304 && one.method !== 'HEAD';
    if (hasBody) bodies.push(one.origin.body ?? body);
    const lines = one.origin.lines?.map((line) => line.replaceAll('{path}', path));
    origin.play({ body, ...one.origin, lines });
    const answer = await ask({
      method: one.method,
      path: path + one.at,
      lines: one.ask,
      body: one.method === 'POST' || one.method === 'PUT' ? 'sent' : undefined,
    });
    judge(`step ${index + 1}`, one, answer, origin.asked, bodies);
  }
}

function judge(
  name: string,
  { reaches, want, method }: Step,
  answer: Answer,
  asked: readonly Asked[],
  bodies: readonly string[],
) {
  const status = want.status ?? 200;
  const text = want.text ?? bodies[(want.body ?? bodies.length) - 1] ?? '';
  const isEmpty = method === 'HEAD' || status === 304 || status === 204 || want.body === 0;
  const got = { name, asked: asked.length, status: answer.status, body: answer.body };
  expect(got).toEqual({ name, asked: reaches ? 1 : 0, status, body: isEmpty ? '' : text });
  assertLines(`${name}: the answer's`, want.lines, answer.headers);
  if (want.seen !== undefined) assertLines(`${name}: the origin's`, want.seen, asked[0]!.headers);
  if (want.age === undefined || status === 504) return;
  const age = Number(answer.headers['age']);
  expect({ name, age: age >= want.age[0] && age <= want.age[1] ? 'as wanted' : answer.headers }).toEqual({
    name,
    age: 'as wanted',
  });
}

function assertLines(whose: string, lines: readonly string[] = [], headers: Answer['headers']): void {
  for (const line of lines) {
    if (line.startsWith('!')) {
      expect(`${whose} ${line} ${String(headers[line.slice(1).toLowerCase()])}`).toBe(
        `${whose} ${line} undefined`,
      );
      continue;
    }
    const [header, value] = splitLine(dated(line));
    const got = headers[header.toLowerCase()];
    if (line.includes('{')) assertDate(`${whose} ${header}`, String(got), value);
    else if (value === '*')
      expect(`${whose} ${header}: ${typeof got}`).not.toBe(`${whose} ${header}: undefined`);
    else expect(`${whose} ${header}: ${String(got)}`).toBe(`${whose} ${header}: ${value}`);
  }
}

/** Dates are told when they are sent and again when they are judged; between the two a second may have begun. */
function assertDate(what: string, got: string, wanted: string): void {
  const seconds = (Date.parse(wanted) - Date.parse(got)) / 1000;
  expect({ what, got, isNear: seconds >= 0 && seconds <= 30 }).toEqual({ what, got, isNear: true });
}

/** What values of another process must be, each check naming the place that is not. */

import { LakeError } from "../../core/base/errors.ts";

export type Check = (value: unknown, at: string) => void;

export const text: Check = (value, at) => expect(typeof value === "string", at, "text");
export const flag: Check = (value, at) => expect(typeof value === "boolean", at, "a boolean");
export const big: Check = (value, at) =>
  expect(typeof value === "bigint" && value >= 0n, at, "a count");
export const count: Check = (value, at) =>
  expect(Number.isSafeInteger(value) && Number(value) >= 0, at, "a count");

export function object(fields: Readonly<Record<string, Check>>): Check {
  return (value, at) => {
    const checked = asRecord(value, at);
    for (const [name, check] of Object.entries(fields)) check(checked[name], `${at}.${name}`);
  };
}

export function record(item: Check): Check {
  return (value, at) => {
    for (const [name, field] of Object.entries(asRecord(value, at))) item(field, `${at}.${name}`);
  };
}

export function list(item: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, "a list");
    for (const [index, entry] of value.entries()) item(entry, `${at}[${index}]`);
  };
}

export function nullable(check: Check): Check {
  return (value, at) => {
    if (value !== null) check(value, at);
  };
}

export function optional(check: Check): Check {
  return (value, at) => {
    if (value !== undefined) check(value, at);
  };
}

export function asRecord(value: unknown, at: string): Readonly<Record<string, unknown>> {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!plain) throw wrong(at, "an object");
  return value as Readonly<Record<string, unknown>>; // parse: a plain object, by the line above
}

export function expect(holds: boolean, at: string, expected: string): void {
  if (!holds) throw wrong(at, expected);
}

export function wrong(at: string, expected: string): LakeError {
  return new LakeError("internal", `a worker's answer is not valid: ${at} is not ${expected}`, {
    hint: "report this; nothing of the answer was used",
  });
}

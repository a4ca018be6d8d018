/** Intervals as they are written in SQL: `INTERVAL '1' HOUR`, `INTERVAL 5 MINUTES`, `INTERVAL '1 day 2 hours'`. */

import { isSymbol, isWord, type Token } from "./lexer.ts";

/** A length of time as it is written; months have no length of their own, and days one of their zone. */
export interface Interval {
  readonly months: bigint;
  readonly days: bigint;
  readonly micros: bigint;
}

type Part = keyof Interval;

const SECOND = 1_000_000n;
const UNITS: readonly (readonly [pattern: RegExp, part: Part, each: bigint])[] = [
  [/^(microseconds?|us|usecs?)$/, "micros", 1n],
  [/^(milliseconds?|ms|msecs?)$/, "micros", 1_000n],
  [/^(seconds?|secs?|s)$/, "micros", SECOND],
  [/^(minutes?|mins?|m)$/, "micros", 60n * SECOND],
  [/^(hours?|hrs?|h)$/, "micros", 3_600n * SECOND],
  [/^(days?|d)$/, "days", 1n],
  [/^(weeks?|w)$/, "days", 7n],
  [/^(months?|mons?)$/, "months", 1n],
  [/^quarters?$/, "months", 3n],
  [/^(years?|yrs?|y)$/, "months", 12n],
];
const AMOUNT = /^([+-]?)(\d+)(?:\.(\d{1,6})0*)?$/;
const CLOCK = /^([+-]?)(\d+):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?$/;

/** The interval that these tokens write out, and nothing beside it; null for anything else, such as an expression. */
export function intervalOf(sql: string, tokens: readonly Token[]): Interval | null {
  const signed = isSymbol(tokens[0], "-");
  const [keyword, ...rest] = signed ? tokens.slice(1) : tokens;
  if (!isWord(keyword, "interval")) return null;
  const text = rest.map((token) => unquoted(sql, token)).join(" ");
  const interval = intervalOfText(text);
  if (interval === null || !signed) return interval;
  return { months: -interval.months, days: -interval.days, micros: -interval.micros };
}

/** The interval of a text such as `1 day 02:30:00`; null where it is none. */
export function intervalOfText(text: string): Interval | null {
  const words = text.trim().toLowerCase().split(/\s+/);
  const sum = { months: 0n, days: 0n, micros: 0n };
  if (words[0] === "") return null;
  for (let at = 0; at < words.length; at++) {
    const clock = clockOf(words[at] ?? "");
    if (clock !== null) {
      sum.micros += clock;
      continue;
    }
    const written = amountAndUnit(words[at] ?? "", words[at + 1]);
    if (written === null) return null;
    at += written.words - 1;
    const added = measured(written.amount, written.unit);
    if (added === null) return null;
    sum[added.part] += added.value;
  }
  return sum;
}

/** `5 minutes` and `5minutes`. */
function amountAndUnit(
  word: string,
  next: string | undefined,
): { readonly amount: string; readonly unit: string; readonly words: number } | null {
  const joined = /^([+-]?[\d.]+)([a-z]+)$/.exec(word);
  if (joined !== null) return { amount: joined[1] ?? "", unit: joined[2] ?? "", words: 1 };
  return next === undefined ? null : { amount: word, unit: next, words: 2 };
}

/** A number of units; null where it is no number, none of the units, or a part of one that has none. */
function measured(
  amount: string,
  unit: string,
): { readonly part: Part; readonly value: bigint } | null {
  const number = AMOUNT.exec(amount);
  const found = UNITS.find(([pattern]) => pattern.test(unit));
  if (number === null || found === undefined) return null;
  const [, part, each] = found;
  const [, sign, whole = "0", fraction = ""] = number;
  const millionths = BigInt(whole) * SECOND + BigInt(fraction.padEnd(6, "0"));
  const scaled = millionths * each;
  if (scaled % SECOND !== 0n) return null;
  return { part, value: (sign === "-" ? -scaled : scaled) / SECOND };
}

function clockOf(word: string): bigint | null {
  const clock = CLOCK.exec(word);
  if (clock === null) return null;
  const [, sign, hours = "0", minutes = "0", seconds = "0", fraction = ""] = clock;
  const whole = BigInt(hours) * 3_600n + BigInt(minutes) * 60n + BigInt(seconds);
  const micros = whole * SECOND + BigInt(fraction.padEnd(6, "0"));
  return sign === "-" ? -micros : micros;
}

function unquoted(sql: string, token: Token): string {
  const text = sql.slice(token.start, token.end);
  return token.kind === "string" && text.startsWith("'") ? text.slice(1, -1) : text;
}

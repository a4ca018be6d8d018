/**
 * The spellings that DuckDB's parser does not know, rewritten on the tokens to those that it does: of time travel,
 * `FOR VERSION|TIMESTAMP|SYSTEM_TIME AS OF x`, `VERSION AS OF x`, `AT (TAG => x)`, `t AT (…) alias`, `orders@12`,
 * `lake.changes('orders', 3, 5)`; and of windows, `TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1 hour')`.
 */

import { changesCall } from "./changes-call.ts";
import { closingIndex, isSymbol, isWord, nameOf, type Token, tokensOf } from "./lexer.ts";
import { quoteIdentifier } from "./quote.ts";
import type { Edit, windowCall } from "./window-call.ts";

export interface Rewritten {
  readonly sql: string;
  /** Character offset in the original text for one in `sql`. */
  originalOffset(offset: number): number;
}

/** Marks a tag inside `AT (VERSION => …)`, because DuckDB's grammar knows two units only. */
export const TAG_FUNCTION = "lake_tag_";

/** What follows a table reference and so is no alias of it. */
const NOT_ALIASES: ReadonlySet<string> = new Set(
  (
    "where join inner left right full cross natural on using group order having limit offset union intersect " +
    "except qualify window semi anti asof positional tablesample fetch for at pivot unpivot select from and " +
    "or outer returning when then else end is in not lateral with set"
  ).split(" "),
);
const UNITS: ReadonlyMap<string, string> = new Map([
  ["version", "VERSION"],
  ["system_version", "VERSION"],
  ["timestamp", "TIMESTAMP"],
  ["system_time", "TIMESTAMP"],
]);

/** Text that may hold a call of a window function: few statements do, and what reads them is loaded for those. */
const MAY_CALL = /\b(?:tumble|hop|cumulate|session|descriptor)\b/i;

/** The text with every spelling rewritten; the same text when there is none. Throws `sql` as `windowCall` does. */
export async function rewriteSpellings(sql: string): Promise<Rewritten> {
  if (!MAY_CALL.test(sql)) return rewriteTimeTravel(sql);
  return rewriteTimeTravel(sql, (await import("./window-call.ts")).windowCall);
}

/** As `rewriteSpellings`, with windows where `windows` reads them. */
export function rewriteTimeTravel(
  sql: string,
  windows: typeof windowCall | null = null,
): Rewritten {
  const tokens = tokensOf(sql);
  const edits: Edit[] = [];
  // Of window functions around tables: what comes behind them, the innermost last.
  const behind: Edit[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const isReached = (behind.at(-1)?.start ?? sql.length) <= (tokens[index]?.start ?? 0);
    const call = isReached ? null : (windows?.(sql, tokens, index) ?? null);
    if (call !== null) behind.push(...call.toReversed());
    const edit =
      (isReached || call !== null ? behind.pop() : null) ??
      suffixEdit(tokens, index) ??
      asOfEdit(sql, tokens, index) ??
      atEdit(sql, tokens, index) ??
      changesEdit(sql, tokens, index);
    if (edit === null) continue;
    edits.push(edit);
    while ((tokens[index + 1]?.start ?? Number.POSITIVE_INFINITY) < edit.end) index++;
  }
  return apply(sql, edits);
}

/** `orders@12`, `orders@-1`, `orders@eod`, `orders@2026-11-20T09:00Z`, `orders@-2h`: one identifier. */
function suffixEdit(tokens: readonly Token[], index: number): Edit | null {
  const name = tokens[index];
  const sign = tokens[index + 1];
  if (name === undefined || (name.kind !== "word" && name.kind !== "quoted")) return null;
  if (!isSymbol(sign, "@") || sign?.start !== name.end) return null;
  const parts = versionTokens(tokens, index + 2, sign.end);
  const last = parts.at(-1);
  if (last === undefined) return null;
  const suffix = `@${parts.map(nameOf).join("")}`;
  return {
    start: name.start,
    end: last.end,
    text: quoteIdentifier(`${nameOf(name)}${suffix}`),
  };
}

/** What stands right behind `@` without a space: one quoted name, or a number, a word or a time, with its sign. */
function versionTokens(tokens: readonly Token[], first: number, start: number): Token[] {
  const parts: Token[] = [];
  let end = start;
  for (let at = first; tokens[at]?.start === end; at++) {
    const token = tokens[at];
    if (token === undefined || token.kind === "string") break;
    if (token.kind === "quoted" && parts.length > 0) break;
    if (token.kind === "symbol" && !["-", "+", ":"].includes(token.text)) break;
    parts.push(token);
    end = token.end;
    if (token.kind === "quoted") break;
  }
  while (parts.at(-1)?.kind === "symbol") parts.pop();
  return parts;
}

/** `[FOR] VERSION AS OF x [alias]` becomes `[alias] AT (VERSION => x)`. */
function asOfEdit(sql: string, tokens: readonly Token[], index: number): Edit | null {
  const hasFor = isWord(tokens[index], "for");
  const unitIndex = hasFor ? index + 1 : index;
  const unitToken = tokens[unitIndex];
  if (unitToken?.kind !== "word") return null;
  const unit = UNITS.get(unitToken.text.toLowerCase());
  if (unit === undefined) return null;
  if (!isWord(tokens[unitIndex + 1], "as") || !isWord(tokens[unitIndex + 2], "of")) return null;
  if (!hasFor && !followsTable(tokens, index)) return null;
  const first = tokens[unitIndex + 3];
  const last = endOfExpression(tokens, unitIndex + 3);
  if (first === undefined || last === null) return null;
  const expression = sql.slice(first.start, tokens[last]?.end);
  return clauseEdit(sql, tokens, index, last, `AT (${unit} => ${expression})`);
}

/** `AT (TAG => x)`, and an alias that stands behind the clause. */
function atEdit(sql: string, tokens: readonly Token[], index: number): Edit | null {
  if (!isWord(tokens[index], "at") || !isSymbol(tokens[index + 1], "(")) return null;
  const unit = tokens[index + 2];
  if (unit?.kind !== "word" || !isSymbol(tokens[index + 3], "=>")) return null;
  const close = closingIndex(tokens, index + 1);
  const expression = sql.slice(tokens[index + 3]?.end, tokens[close]?.start).trim();
  const isTag = unit.text.toLowerCase() === "tag";
  const clause = isTag
    ? `AT (VERSION => ${TAG_FUNCTION}(${expression}))`
    : sql.slice(tokens[index]?.start, tokens[close]?.end);
  const edit = clauseEdit(sql, tokens, index, close, clause);
  return isTag || edit.end > (tokens[close]?.end ?? 0) ? edit : null;
}

/** `lake.changes(…)`, which is called `changes` where it is given no name. */
function changesEdit(sql: string, tokens: readonly Token[], index: number): Edit | null {
  const call = changesCall(sql, tokens, index);
  const start = tokens[index]?.start;
  const end = tokens[call?.last ?? 0]?.end;
  if (call === null || start === undefined || end === undefined) return null;
  const isNamed = endOfAlias(tokens, call.last + 1) !== null;
  return { start, end, text: isNamed ? call.text : `${call.text} AS changes` };
}

/** Replaces tokens `first..last` by the clause, with an alias that follows them put in front. */
function clauseEdit(
  sql: string,
  tokens: readonly Token[],
  first: number,
  last: number,
  clause: string,
): Edit {
  const start = tokens[first]?.start ?? 0;
  const aliasEnd = endOfAlias(tokens, last + 1);
  if (aliasEnd === null) return { start, end: tokens[last]?.end ?? start, text: clause };
  const alias = sql.slice(tokens[last + 1]?.start, tokens[aliasEnd]?.end);
  return { start, end: tokens[aliasEnd]?.end ?? start, text: `${alias} ${clause}` };
}

function endOfAlias(tokens: readonly Token[], at: number): number | null {
  const nameIndex = isWord(tokens[at], "as") ? at + 1 : at;
  const name = tokens[nameIndex];
  if (name === undefined || (name.kind !== "word" && name.kind !== "quoted")) return null;
  if (name.kind === "word" && NOT_ALIASES.has(name.text.toLowerCase())) return null;
  return isSymbol(tokens[nameIndex + 1], "(") ? closingIndex(tokens, nameIndex + 1) : nameIndex;
}

/** True when the tokens before `index` are a table name, with or without an alias. */
function followsTable(tokens: readonly Token[], index: number): boolean {
  let at = index - 1;
  for (let names = 0; names < 2; names++) {
    if (!isName(tokens[at])) return false;
    while (isSymbol(tokens[at - 1], ".") && isName(tokens[at - 2])) at -= 2;
    const before = tokens[at - 1];
    if (isWord(before, "from") || isWord(before, "join") || isSymbol(before, ",")) return true;
    at = isWord(before, "as") ? at - 2 : at - 1;
  }
  return false;
}

function isName(token: Token | undefined): boolean {
  return token !== undefined && (token.kind === "word" || token.kind === "quoted");
}

/** Last token of `12`, `-1`, `'text'`, `timestamp '…'`, `now() - interval 1 day`, `(…)`, `x::date`. */
function endOfExpression(tokens: readonly Token[], start: number): number | null {
  let at = endOfOperand(tokens, start);
  while (at !== null) {
    const next = tokens[at + 1];
    if (isSymbol(next, "::")) {
      at = endOfCall(tokens, at + 2);
    } else if (isSymbol(next, "+") || isSymbol(next, "-")) {
      at = endOfOperand(tokens, at + 2);
    } else {
      return at;
    }
  }
  return null;
}

function endOfOperand(tokens: readonly Token[], start: number): number | null {
  const signed = isSymbol(tokens[start], "-") || isSymbol(tokens[start], "+");
  const at = signed ? start + 1 : start;
  const token = tokens[at];
  if (token === undefined) return null;
  if (token.kind === "string" || token.kind === "number") return at;
  if (isSymbol(token, "(")) return closingIndex(tokens, at);
  if (token.kind === "symbol") return null;
  const next = tokens[at + 1];
  if (isWord(token, "interval")) {
    const amount = endOfOperand(tokens, at + 1);
    if (amount === null || tokens[amount]?.kind === "string") return endOfUnit(tokens, amount);
    return endOfUnit(tokens, amount);
  }
  if (next?.kind === "string" && isTypeWord(token)) return at + 1;
  return endOfCall(tokens, at);
}

function endOfUnit(tokens: readonly Token[], amount: number | null): number | null {
  if (amount === null) return null;
  const unit = tokens[amount + 1];
  const isUnit =
    unit?.kind === "word" &&
    /^(second|minute|hour|day|week|month|quarter|year|millisecond|microsecond)s?$/i.test(unit.text);
  return isUnit ? amount + 1 : amount;
}

function endOfCall(tokens: readonly Token[], at: number): number {
  return isSymbol(tokens[at + 1], "(") ? closingIndex(tokens, at + 1) : at;
}

function isTypeWord(token: Token): boolean {
  return /^(timestamp|timestamptz|date|datetime)$/i.test(token.text);
}

function apply(sql: string, edits: readonly Edit[]): Rewritten {
  if (edits.length === 0) return { sql, originalOffset: (offset) => offset };
  const starts: { readonly output: number; readonly original: number; readonly copied: boolean }[] =
    [];
  let output = "";
  let at = 0;
  const copy = (end: number) => {
    starts.push({ output: output.length, original: at, copied: true });
    output += sql.slice(at, end);
  };
  for (const edit of edits) {
    copy(edit.start);
    starts.push({ output: output.length, original: edit.start, copied: false });
    output += edit.text;
    at = edit.end;
  }
  copy(sql.length);
  const originalOffset = (offset: number): number => {
    const part = starts.findLast((candidate) => candidate.output <= offset);
    if (part === undefined) return offset;
    return part.copied ? part.original + (offset - part.output) : part.original;
  };
  return { sql: output, originalOffset };
}

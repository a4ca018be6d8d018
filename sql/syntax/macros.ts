/** Macros on the tokens of SQL: definitions read from a file, and calls put in place of what they mean. */

import { LakeError, type Place } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { placeAt } from "../../core/config/place.ts";
import type {
  Macro,
  MacroCall,
  MacroForm,
  MacroParam,
  Macros,
  ReadMacros,
} from "../../core/model/macros.ts";
import { closingIndex, isSymbol, isWord, nameOf, type Token, tokensOf } from "./lexer.ts";

/** Macros in macros; deeper ones are a mistake. */
const DEPTH_MAX = 32;
const SIGNATURE = "CREATE MACRO name(a, b := 0) AS a + b, or … AS TABLE SELECT …";

/** The definitions of a file. Never throws for what it says. */
export function readMacros(file: string, source: string): ReadMacros {
  const text = source.replaceAll("\r\n", "\n").replace(/^\uFEFF/, " ");
  const macros: Macro[] = [];
  const errors: LakeError[] = [];
  for (const statement of statementsOf(tokensOf(text))) {
    const [first] = statement;
    if (first === undefined) continue;
    const placeOf = (token: Token): Place =>
      placeAt(text, file, { offset: token.start, length: token.end - token.start });
    try {
      macros.push(macroFrom(statement, placeOf));
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      errors.push(thrown);
    }
  }
  return { macros, errors };
}

/** Calls of macros in a text, the outermost, in order. */
export function macroCallsOf(sql: string, macros: Macros): MacroCall[] {
  return macros.size === 0 ? [] : callsIn(sql, macros, []);
}

/** The macros that a macro is made of in a circle; null: none. */
export function circleOf(macro: Macro, macros: Macros): readonly string[] | null {
  const visit = (name: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    for (const { body } of macros.get(name)?.forms ?? []) {
      for (const called of namesCalled(body, macros)) {
        const circle = visit(called, [...way, name]);
        if (circle !== null) return circle;
      }
    }
    return null;
  };
  return visit(macro.name.toLowerCase(), []);
}

function* statementsOf(tokens: readonly Token[]): Generator<readonly Token[]> {
  let from = 0;
  for (const [index, token] of tokens.entries()) {
    if (!isSymbol(token, ";")) continue;
    yield tokens.slice(from, index);
    from = index + 1;
  }
  yield tokens.slice(from);
}

function macroFrom(tokens: readonly Token[], placeOf: (token: Token) => Place): Macro {
  let at = 0;
  const first = tokens[0];
  const wrong = (message: string, token = tokens[at] ?? tokens.at(-1) ?? first): LakeError =>
    new LakeError("config", message, {
      hint: `a file of macros/ holds statements ${SIGNATURE}`,
      ...(token === undefined ? {} : { place: placeOf(token) }),
      page: "T0121",
    });
  const take = (word: string): boolean => {
    const isThere = isWord(tokens[at], word);
    if (isThere) at++;
    return isThere;
  };
  if (!take("create")) throw wrong("this is no macro");
  const replaces = take("or") && take("replace");
  if (!take("temp")) take("temporary");
  if (!take("macro") && !take("function")) throw wrong("this is no macro");
  const named = tokens[at++];
  if (named === undefined || !["word", "quoted"].includes(named.kind)) {
    throw wrong("the macro has no name");
  }
  if (isSymbol(tokens[at], ".")) throw wrong("a macro has no schema");
  const forms: MacroForm[] = [];
  do {
    if (forms.length > 0) at++;
    if (!isSymbol(tokens[at], "(")) throw wrong(`${nameOf(named)} has no parameters`);
    const close = closingIndex(tokens, at);
    const params = paramsFrom(tokens.slice(at + 1, close), wrong);
    at = close + 1;
    if (!take("as")) throw wrong(`${nameOf(named)} has no AS`);
    const isTable = take("table");
    const end = endOfBody(tokens, at, isTable);
    const body = tokens.slice(at, end);
    if (body.length === 0) throw wrong(`${nameOf(named)} has no body`);
    const odd = body.find((token) => token.kind === "string" && /\n/.test(token.text));
    if (odd !== undefined) throw wrong("a string of a macro stands on one line", odd);
    forms.push({ params, body: oneLine(body), isTable });
    at = end;
  } while (isSymbol(tokens[at], ","));
  return {
    name: nameOf(named),
    forms,
    replaces,
    text: oneLine(tokens),
    place: placeOf(named),
  };
}

/** Where the next form begins, or the end: a comma of a SELECT is none. */
function endOfBody(tokens: readonly Token[], from: number, isTable: boolean): number {
  for (let index = from; index < tokens.length; index++) {
    const token = tokens[index];
    if (isSymbol(token, "(") || isSymbol(token, "[") || isSymbol(token, "{")) {
      index = closingIndex(tokens, index);
      continue;
    }
    if (!isSymbol(token, ",") || !isSymbol(tokens[index + 1], "(")) continue;
    const behind = closingIndex(tokens, index + 1) + 1;
    const isForm = isWord(tokens[behind], "as");
    if (isForm && (!isTable || isWord(tokens[behind + 1], "table"))) return index;
  }
  return tokens.length;
}

function paramsFrom(
  tokens: readonly Token[],
  wrong: (message: string, token?: Token) => LakeError,
): MacroParam[] {
  return listOf(tokens).map((part) => {
    const [named, ...rest] = part;
    if (named === undefined || !["word", "quoted"].includes(named.kind)) {
      throw wrong("a parameter has a name", named);
    }
    const sign = rest.findIndex((token) => isSymbol(token, ":=") || isSymbol(token, "=>"));
    const type = sign < 0 ? rest : rest.slice(0, sign);
    const fallback = sign < 0 ? [] : rest.slice(sign + 1);
    return {
      name: nameOf(named).toLowerCase(),
      type: type.length === 0 ? null : oneLine(type),
      fallback: fallback.length === 0 ? null : oneLine(fallback),
    };
  });
}

/** Parts between commas. */
function listOf(tokens: readonly Token[]): (readonly Token[])[] {
  const parts: Token[][] = [];
  let part: Token[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === undefined) break;
    if (isSymbol(token, ",")) {
      parts.push(part);
      part = [];
      continue;
    }
    const isOpen = ["(", "[", "{"].some((open) => isSymbol(token, open));
    const end = isOpen ? closingIndex(tokens, index) : index;
    part.push(...tokens.slice(index, end + 1));
    index = end;
  }
  return parts.length === 0 && part.length === 0 ? [] : [...parts, part];
}

/** As it is written, without comments and line ends. */
function oneLine(tokens: readonly Token[]): string {
  let text = "";
  let end: number | null = null;
  for (const token of tokens) {
    text += end === null || end === token.start ? token.text : ` ${token.text}`;
    end = token.end;
  }
  return text;
}

function namesCalled(sql: string, macros: Macros): string[] {
  const tokens = tokensOf(sql);
  return tokens.flatMap((_, index) => calledAt(tokens, index, macros)?.name.toLowerCase() ?? []);
}

function calledAt(tokens: readonly Token[], index: number, macros: Macros): Macro | null {
  const token = tokens[index];
  if (token === undefined || (token.kind !== "word" && token.kind !== "quoted")) return null;
  if (!isSymbol(tokens[index + 1], "(") || isSymbol(tokens[index - 1], ".")) return null;
  return macros.get(nameOf(token).toLowerCase()) ?? null;
}

function callsIn(sql: string, macros: Macros, within: readonly string[]): MacroCall[] {
  const tokens = tokensOf(sql);
  const calls: MacroCall[] = [];
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    const macro = calledAt(tokens, index, macros);
    if (token === undefined || macro === null) continue;
    const close = closingIndex(tokens, index + 1);
    const last = tokens[close];
    const span = { offset: token.start, length: (last?.end ?? token.end) - token.start };
    const given = listOf(tokens.slice(index + 2, close));
    const meant = expanded(macro, given, macros, within);
    if ("problem" in meant) calls.push({ ...span, value: "NULL", names: [], ...meant });
    else {
      const alias = meant.isTable && !hasAlias(tokens[close + 1]) ? ` AS ${token.text}` : "";
      calls.push({ ...span, value: `(${meant.sql})${alias}`, names: meant.names, problem: null });
    }
    index = close;
  }
  return calls;
}

type Expanded =
  | { readonly sql: string; readonly isTable: boolean; readonly names: readonly string[] }
  | { readonly problem: { readonly message: string; readonly hint: string } };

function expanded(
  macro: Macro,
  given: readonly (readonly Token[])[],
  macros: Macros,
  within: readonly string[],
): Expanded {
  const name = macro.name.toLowerCase();
  if (within.includes(name) || within.length >= DEPTH_MAX) {
    const way = [...within, name].join(" → ");
    return { problem: { message: `macros call each other in a circle: ${way}`, hint: "break it" } };
  }
  const bound = argumentsOf(macro, given);
  if ("problem" in bound) return bound;
  const names = new Set([name]);
  // Calls in arguments are of whoever calls; those of the body come after its parameters.
  const byParam = new Map<string, string>();
  for (const [param, text] of bound.byParam) {
    const inner = withCalls(text, macros, within);
    if ("problem" in inner) return inner;
    for (const each of inner.names) names.add(each);
    byParam.set(param, inner.sql);
  }
  const body = withCalls(substituted(bound.form.body, byParam), macros, [...within, name]);
  if ("problem" in body) return body;
  for (const each of body.names) names.add(each);
  return { sql: body.sql, isTable: bound.form.isTable, names: [...names] };
}

function withCalls(
  sql: string,
  macros: Macros,
  within: readonly string[],
):
  | { readonly sql: string; readonly names: readonly string[] }
  | Extract<Expanded, { problem: unknown }> {
  const names: string[] = [];
  let text = "";
  let at = 0;
  for (const call of callsIn(sql, macros, within)) {
    if (call.problem !== null) return { problem: call.problem };
    text += sql.slice(at, call.offset) + call.value;
    at = call.offset + call.length;
    names.push(...call.names);
  }
  return { sql: text + sql.slice(at), names };
}

type BoundCall = { readonly form: MacroForm; readonly byParam: ReadonlyMap<string, string> };

function argumentsOf(
  macro: Macro,
  given: readonly (readonly Token[])[],
): BoundCall | Extract<Expanded, { problem: unknown }> {
  const named = new Map<string, string>();
  const placed: string[] = [];
  for (const part of given) {
    const isNamed = isSymbol(part[1], ":=") || isSymbol(part[1], "=>");
    if (isNamed && part[0] !== undefined) {
      named.set(nameOf(part[0]).toLowerCase(), oneLine(part.slice(2)));
    } else placed.push(oneLine(part));
  }
  for (const form of macro.forms) {
    const byParam = boundTo(form, placed, named);
    if (byParam !== null) return { form, byParam };
  }
  const forms = macro.forms.map(
    ({ params }) => `${macro.name}(${params.map(shownParam).join(", ")})`,
  );
  const many = counted(given.length, "argument");
  return { problem: { message: `${macro.name} does not take ${many}`, hint: forms.join(" or ") } };
}

function shownParam({ name, type, fallback }: MacroParam): string {
  return `${name}${type === null ? "" : ` ${type}`}${fallback === null ? "" : ` := ${fallback}`}`;
}

/** Null where the arguments are not those of the form. */
function boundTo(
  { params }: MacroForm,
  placed: readonly string[],
  named: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | null {
  const known = new Set(params.map(({ name }) => name));
  if (placed.length > params.length || [...named.keys()].some((name) => !known.has(name)))
    return null;
  const byParam = new Map<string, string>();
  for (const [index, { name, type, fallback }] of params.entries()) {
    const text = placed[index] ?? named.get(name) ?? fallback;
    if (text === null || (placed[index] !== undefined && named.has(name))) return null;
    byParam.set(name, type === null ? `(${text})` : `CAST((${text}) AS ${type})`);
  }
  return byParam;
}

/** A body with arguments where it names its parameters: not behind a dot, before a bracket, or as a new name. */
function substituted(body: string, byParam: ReadonlyMap<string, string>): string {
  const tokens = tokensOf(body);
  let text = "";
  let at = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "word" && token.kind !== "quoted") continue;
    const argument = byParam.get(nameOf(token).toLowerCase());
    const before = tokens[index - 1];
    const after = tokens[index + 1];
    const isName = isSymbol(before, ".") || isSymbol(before, "$") || isWord(before, "as");
    const isOther = [".", "(", ":=", "=>"].some((sign) => isSymbol(after, sign));
    if (argument === undefined || isName || isOther) continue;
    text += body.slice(at, token.start) + argument;
    at = token.end;
  }
  return text + body.slice(at);
}

/** Words that may follow a table and are no name for it. */
const CLAUSES: ReadonlySet<string> = new Set(
  (
    "where group order having limit offset union except intersect join left right inner full cross natural on using " +
    "window qualify asof semi anti positional lateral tablesample pivot unpivot for at"
  ).split(" "),
);

function hasAlias(next: Token | undefined): boolean {
  if (next === undefined) return false;
  if (next.kind === "quoted") return true;
  return next.kind === "word" && !CLAUSES.has(next.text.toLowerCase());
}

/** A template's syntax tree, by the library's lexer and parser; with dbt's own blocks, and the lines of its names. */

import { parse, tokenize } from "@huggingface/jinja";
import { errorText } from "../../../../core/base/errors.ts";
import { TemplateError } from "./values.ts";

export interface Identifier {
  readonly type: "Identifier";
  readonly value: string;
}

export interface Parameter {
  readonly name: string;
  readonly default: Node | null;
}

type Argument = Node;

/** The library's tree, in the parts that are read here. */
export type Node =
  | Identifier
  | { readonly type: "Program"; readonly body: readonly Node[] }
  | { readonly type: "Comment" | "Break" | "Continue" }
  | {
      readonly type: "If";
      readonly test: Node;
      readonly body: readonly Node[];
      readonly alternate: readonly Node[];
    }
  | {
      readonly type: "For";
      readonly loopvar: Node;
      readonly iterable: Node;
      readonly body: readonly Node[];
      readonly defaultBlock: readonly Node[];
    }
  | {
      readonly type: "Set";
      readonly assignee: Node;
      readonly value: Node | null;
      readonly body: readonly Node[];
    }
  | {
      readonly type: "Macro";
      readonly name: Identifier;
      readonly args: readonly Node[];
      readonly body: readonly Node[];
    }
  | {
      readonly type: "CallStatement";
      readonly call: Node;
      readonly callerArgs: readonly Node[] | null;
      readonly body: readonly Node[];
    }
  | {
      readonly type: "FilterStatement";
      readonly filter: Node;
      readonly body: readonly Node[];
    }
  | {
      readonly type: "MemberExpression";
      readonly object: Node;
      readonly property: Node;
      readonly computed: boolean;
    }
  | { readonly type: "CallExpression"; readonly callee: Node; readonly args: readonly Argument[] }
  | { readonly type: "IntegerLiteral" | "FloatLiteral"; readonly value: number }
  | { readonly type: "StringLiteral"; readonly value: string }
  | { readonly type: "ArrayLiteral" | "TupleLiteral"; readonly value: readonly Node[] }
  | { readonly type: "ObjectLiteral"; readonly value: ReadonlyMap<Node, Node> }
  | {
      readonly type: "BinaryExpression";
      readonly operator: { readonly value: string };
      readonly left: Node;
      readonly right: Node;
    }
  | { readonly type: "FilterExpression"; readonly operand: Node; readonly filter: Node }
  | { readonly type: "SelectExpression"; readonly lhs: Node; readonly test: Node }
  | {
      readonly type: "TestExpression";
      readonly operand: Node;
      readonly negate: boolean;
      readonly test: Node;
    }
  | {
      readonly type: "UnaryExpression";
      readonly operator: { readonly value: string };
      readonly argument: Node;
    }
  | {
      readonly type: "SliceExpression";
      readonly start: Node | undefined;
      readonly stop: Node | undefined;
      readonly step: Node | undefined;
    }
  | { readonly type: "KeywordArgumentExpression"; readonly key: Identifier; readonly value: Node }
  | {
      readonly type: "SpreadExpression" | "KeywordSpreadExpression";
      readonly argument: Node;
    }
  | {
      readonly type: "Ternary";
      readonly condition: Node;
      readonly trueExpr: Node;
      readonly falseExpr: Node;
    };

/** A block of dbt's own: `test`, `snapshot`, `docs`, which the tree has as a macro of the name `dbt_<kind>__<name>`. */
export interface Block {
  readonly kind: string;
  readonly name: string;
  readonly line: number;
}

export interface Template {
  readonly file: string;
  readonly program: Node;
  readonly blocks: readonly Block[];
  /** From 1; undefined for what has no name. */
  readonly lineOf: WeakMap<object, number>;
}

type Token = ReturnType<typeof tokenize>[number];
interface Placed {
  readonly token: Token;
  readonly line: number;
}

const BLOCKS = ["test", "data_test", "snapshot", "docs", "materialization"];
const RAW = /\{%-?\s*raw\s*-?%\}([\s\S]*?)\{%-?\s*endraw\s*-?%\}/g;
const TAG = /\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}/g;
/** The library knows no escapes but Python's common ones; Python leaves the others as they are. */
const STRANGE_ESCAPE = /\\(?![ntrbfv'"\\xu])/g;

/** The name that the tree has for a block. */
export function blockName(kind: string, name: string): string {
  return `dbt_${kind === "data_test" ? "test" : kind}__${name}`;
}

/** Throws TemplateError, with the line where it can be told. */
export function parseTemplate(file: string, source: string): Template {
  const text = source
    .replaceAll("\r\n", "\n")
    .replace(RAW, (_, inner: string) => {
      return `{{ "${inner.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}" }}`;
    })
    .replaceAll(/\{%\+|\{\{\+/g, (tag) => tag.slice(0, 2))
    .replace(TAG, (tag) => tag.replace(STRANGE_ESCAPE, "\\\\"));
  const placed = placedTokens(file, text);
  const { tokens, blocks } = withBlocks(placed);
  try {
    // parse: the library's tree, whose classes it does not export
    const program = parse(tokens.map(({ token }) => token)) as unknown as Node; // parse: see above
    return { file, program, blocks, lineOf: linesOf(program, tokens) };
  } catch (thrown) {
    throw syntaxError(file, thrown, tokens);
  }
}

/** A fault of a template with its place. */
export class PlacedTemplateError extends TemplateError {
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, cause: TemplateError) {
    super(cause.message, cause.hint, cause.isUnsupported);
    this.file = file;
    this.line = line;
  }
}

function placedTokens(file: string, text: string): Placed[] {
  let tokens: Token[];
  try {
    tokens = tokenize(text);
  } catch (thrown) {
    throw new PlacedTemplateError(file, 1, new TemplateError(errorText(thrown)));
  }
  const placed: Placed[] = [];
  let offset = 0;
  let line = 1;
  for (const token of tokens) {
    const found = text.indexOf(token.value, offset);
    if (found >= 0) {
      line += newlines(text, offset, found);
      offset = found;
    }
    placed.push({ token, line });
    if (found >= 0) {
      line += newlines(text, offset, found + token.value.length);
      offset = found + token.value.length;
    }
  }
  return placed;
}

function newlines(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf("\n", from); at >= 0 && at < to; at = text.indexOf("\n", at + 1)) {
    count += 1;
  }
  return count;
}

/** The tokens with what the library's grammar has not said in its words. */
function withBlocks(placed: readonly Placed[]): { tokens: Placed[]; blocks: Block[] } {
  const tokens: Placed[] = [];
  const blocks: Block[] = [];
  for (let index = 0; index < placed.length; index += 1) {
    const at = placed[index];
    if (at === undefined) break;
    const word = wordAt(placed, index);
    const before = placed[index - 1]?.token.type;
    if (word !== null && before === "OpenStatement") {
      const skipped = statementStart(placed, index, word, at.line, { tokens, blocks });
      if (skipped > 0) {
        index += skipped - 1;
        continue;
      }
    }
    const skipped = testWithArguments(placed, index, tokens);
    if (skipped > 0) {
      index += skipped - 1;
      continue;
    }
    tokens.push(at);
  }
  return { tokens, blocks };
}

/** How many tokens it has taken; 0: none. */
function statementStart(
  placed: readonly Placed[],
  index: number,
  word: string,
  line: number,
  { tokens, blocks }: { tokens: Placed[]; blocks: Block[] },
): number {
  const at = placed[index];
  if (at === undefined) return 0;
  if (word === "do") {
    tokens.push(renamed(at, "set"), renamed(at, "dbt_done"), made(at, "=", "Equals"));
    return 1;
  }
  if (BLOCKS.includes(word)) {
    const name = wordAt(placed, index + 1) ?? "";
    blocks.push({ kind: word, name, line });
    tokens.push(renamed(at, "macro"), renamed(at, blockName(word, name)));
    if (placed[index + 2]?.token.type === "OpenParen") return 2;
    tokens.push(made(at, "(", "OpenParen"), made(at, ")", "CloseParen"));
    // What else stands in the tag says which adapter, which is not read.
    let end = index + 2;
    while (end < placed.length && placed[end]?.token.type !== "CloseStatement") end += 1;
    return end - index;
  }
  if (word.startsWith("end") && BLOCKS.includes(word.slice(3))) {
    tokens.push(renamed(at, "endmacro"));
    return 1;
  }
  if (word !== "call") return 0;
  tokens.push(at);
  return 1 + dottedCallee(placed, index + 1, tokens);
}

/** `call(args) package.macro(…)`: one word to the library's grammar. */
function dottedCallee(placed: readonly Placed[], from: number, tokens: Placed[]): number {
  let index = from;
  if (placed[index]?.token.type === "OpenParen") {
    let depth = 0;
    do {
      const at = placed[index];
      if (at === undefined) break;
      if (at.token.type === "OpenParen") depth += 1;
      if (at.token.type === "CloseParen") depth -= 1;
      tokens.push(at);
      index += 1;
    } while (depth > 0);
  }
  const at = placed[index];
  let name = wordAt(placed, index);
  if (name === null || at === undefined) return index - from;
  index += 1;
  while (placed[index]?.token.type === "Dot") {
    name += `.${wordAt(placed, index + 1) ?? ""}`;
    index += 2;
  }
  tokens.push(renamed(at, name));
  return index - from;
}

/** `x is divisibleby(2)` and `x is sameas none` as a filter, which may have arguments. */
function testWithArguments(placed: readonly Placed[], index: number, tokens: Placed[]): number {
  if (wordAt(placed, index) !== "is") return 0;
  const isNegated = wordAt(placed, index + 1) === "not";
  const nameAt = index + (isNegated ? 2 : 1);
  const at = placed[nameAt];
  const name = wordAt(placed, nameAt);
  if (at === undefined || name === null) return 0;
  const next = placed[nameAt + 1];
  const type = next?.token.type ?? "";
  const isOne =
    ["NumericLiteral", "StringLiteral"].includes(type) ||
    (type === "Identifier" && !KEYWORDS.includes(next?.token.value ?? ""));
  if (type !== "OpenParen" && !isOne) return 0;
  const filter = `${isNegated ? "is_not" : "is"}.${name}`;
  tokens.push(made(at, "|", "Pipe"), renamed(at, filter));
  if (!isOne || next === undefined) return nameAt - index + 1;
  tokens.push(made(at, "(", "OpenParen"), next, made(at, ")", "CloseParen"));
  return nameAt - index + 2;
}

/** Words that go on after a test, and are no argument of it. */
const KEYWORDS = ["and", "or", "not", "else", "if", "is", "in"];

function wordAt(placed: readonly Placed[], index: number): string | null {
  const token = placed[index]?.token;
  return token?.type === "Identifier" ? token.value : null;
}

function renamed({ token, line }: Placed, value: string): Placed {
  return { token: { ...token, value }, line };
}

function made({ line }: Placed, value: string, type: Token["type"]): Placed {
  return { token: { value, type }, line };
}

/** Lines of names: those of one spelling come in the tree as in the text. */
function linesOf(program: Node, tokens: readonly Placed[]): WeakMap<object, number> {
  const linesByName = new Map<string, number[]>();
  for (const { token, line } of tokens) {
    if (token.type !== "Identifier") continue;
    const lines = linesByName.get(token.value);
    if (lines === undefined) linesByName.set(token.value, [line]);
    else lines.push(line);
  }
  const lineOf = new WeakMap<object, number>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) visit(item);
    else if (node instanceof Map) for (const [key, value] of node) visit([key, value]);
    else if (typeof node === "object" && node !== null) {
      if ("type" in node && node.type === "Identifier" && "value" in node) {
        const line = linesByName.get(String(node.value))?.shift();
        if (line !== undefined) lineOf.set(node, line);
        return;
      }
      if ("type" in node && node.type === "Ternary" && "trueExpr" in node) visit(node.trueExpr);
      const skipped = "type" in node && node.type === "Ternary" ? "trueExpr" : "";
      for (const [key, child] of Object.entries(node)) if (key !== skipped) visit(child);
    }
  };
  visit(program);
  return lineOf;
}

const SYNTAX: readonly [RegExp, string][] = [
  [/Unknown statement type: (\w+)/, "is no statement that is read here"],
];

function syntaxError(
  file: string,
  thrown: unknown,
  tokens: readonly Placed[],
): PlacedTemplateError {
  const message = errorText(thrown);
  for (const [pattern, what] of SYNTAX) {
    const word = pattern.exec(message)?.[1];
    if (word === undefined) continue;
    const line = tokens.find(({ token }) => token.value === word)?.line ?? 1;
    const hint = "dbt's own templates have if, for, set, do, macro, call, filter and raw";
    // An end without a beginning, or a word nobody knows, is no part of Jinja that is left out.
    const isJinja = [
      "extends",
      "block",
      "include",
      "import",
      "from",
      "with",
      "autoescape",
    ].includes(word);
    const cause = new TemplateError(`{% ${word} %} ${what}`, hint, isJinja);
    return new PlacedTemplateError(file, line, cause);
  }
  const line = tokens[reachedBy(tokens)]?.line ?? tokens.at(-1)?.line ?? 1;
  const isEnd = thrown instanceof TypeError;
  const told = isEnd ? "the template ends within a block" : message.replace(/^Parser Error: /, "");
  const hint = isEnd ? "close it: {% endif %}, {% endfor %}, {% endmacro %}, …" : "see this line";
  return new PlacedTemplateError(file, line, new TemplateError(told, hint));
}

/** The library says no place: the last token that it looks at until it gives up. */
function reachedBy(tokens: readonly Placed[]): number {
  let reached = 0;
  const watched = new Proxy(
    tokens.map(({ token }) => token),
    {
      get(target, key, receiver) {
        if (typeof key === "string" && /^\d+$/.test(key)) reached = Math.max(reached, Number(key));
        return Reflect.get(target, key, receiver);
      },
    },
  );
  try {
    parse(watched);
  } catch {
    return Math.min(reached, tokens.length - 1);
  }
  return 0;
}

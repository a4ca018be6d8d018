/** Column types as people write them in `columns:`, in the words of DuckDB: `decimal(10,2)`, `bigint not null`. */

import { unreachable } from "../base/assert.ts";
import { own } from "../base/json.ts";
import { counted } from "../base/quantity.ts";
import { TYPE_DEPTH_MAX } from "../limits.ts";
import type { Field, PrimitiveName, Type } from "../table/types.ts";

export type TypeTextResult =
  | { readonly kind: "type"; readonly type: Type; readonly required: boolean }
  | { readonly kind: "invalid"; readonly reason: string };

const PRIMITIVES: Readonly<Record<string, PrimitiveName>> = {
  boolean: "boolean",
  bool: "boolean",
  logical: "boolean",
  tinyint: "int",
  smallint: "int",
  int2: "int",
  short: "int",
  utinyint: "int",
  usmallint: "int",
  int: "int",
  integer: "int",
  int4: "int",
  signed: "int",
  uinteger: "long",
  bigint: "long",
  int8: "long",
  long: "long",
  real: "float",
  float: "float",
  float4: "float",
  double: "double",
  float8: "double",
  date: "date",
  time: "time",
  timestamp: "timestamp",
  datetime: "timestamp",
  timestamptz: "timestamptz",
  varchar: "string",
  char: "string",
  bpchar: "string",
  text: "string",
  string: "string",
  json: "string",
  uuid: "uuid",
  blob: "binary",
  bytea: "binary",
  binary: "binary",
  varbinary: "binary",
};

/** Words that name a type; for hints. */
export const TYPE_WORDS: readonly string[] = [
  ...Object.keys(PRIMITIVES),
  "decimal",
  "numeric",
  "hugeint",
  "fixed",
  "struct",
  "list",
  "map",
];

const DECIMAL_PRECISION_MAX = 38;
/** DuckDB's default for a bare `decimal`. */
const DECIMAL_DEFAULT = { precision: 18, scale: 3 };

/**
 * Parses a type text: a type, then `null` or `not null`. Reads back what `typeToText` writes. Nested types are
 * `struct(a int, b varchar)`, `varchar[]` or `list(varchar)`, and `map(varchar, int)`. Nested ids are 0. Small
 * integers become Iceberg's `int`.
 */
export function parseTypeText(text: string): TypeTextResult {
  const tokens = tokenize(text);
  if (tokens === null) return { kind: "invalid", reason: `"${text}" has characters no type has` };
  const parser = new TypeParser(tokens);
  const type = parser.type(0);
  if (typeof type === "string") return { kind: "invalid", reason: type };
  const rest = parser.rest().join(" ");
  if (rest !== "" && rest !== "null" && rest !== "not null") {
    return { kind: "invalid", reason: `"${rest}" after the type is not understood` };
  }
  return { kind: "type", type, required: rest === "not null" };
}

/** A type as it is written in `columns:`; `parseTypeText` reads it back, what is required in it included. */
export function declaredTypeText(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return WORDS[type.name] ?? type.name;
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "fixed":
      return `fixed(${type.length})`;
    case "list":
      return `${declaredTypeText(type.element)}[]`;
    case "map":
      return `map(${declaredTypeText(type.key)}, ${declaredTypeText(type.value)})`;
    case "struct": {
      const fields = type.fields.map(
        ({ name, type: inner, required }) =>
          `${fieldName(name)} ${declaredTypeText(inner)}${required ? " not null" : ""}`,
      );
      return `struct(${fields.join(", ")})`;
    }
    default:
      return unreachable(type);
  }
}

/** Names of types that are called otherwise in Iceberg. */
const WORDS: Readonly<Partial<Record<PrimitiveName, string>>> = {
  int: "integer",
  long: "bigint",
  string: "varchar",
  binary: "blob",
};

function fieldName(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

const TOKEN = /\s*(?:"((?:[^"]|"")*)"|([\p{L}_][\p{L}\p{N}_]*)|(\d+)|([(),[\]<>:]))/uy;

interface Token {
  readonly kind: "name" | "quoted" | "number" | "sign";
  readonly text: string;
}

function tokenize(text: string): Token[] | null {
  const tokens: Token[] = [];
  const source = text.trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (match === null) return null;
    const [, quoted, name, digits, sign] = match;
    if (quoted !== undefined) tokens.push({ kind: "quoted", text: quoted.replaceAll('""', '"') });
    else if (name !== undefined) tokens.push({ kind: "name", text: name });
    else if (digits !== undefined) tokens.push({ kind: "number", text: digits });
    else tokens.push({ kind: "sign", text: sign ?? "" });
  }
  return tokens;
}

/** Methods answer the parsed thing, or a text that says what is wrong. */
class TypeParser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  type(depth: number): Type | string {
    if (depth > TYPE_DEPTH_MAX) return `nested deeper than ${TYPE_DEPTH_MAX}`;
    const token = this.#tokens[this.#next];
    if (token?.kind !== "name") return token === undefined ? "a type is missing" : expected(token);
    this.#next += 1;
    let type = this.#named(token.text.toLowerCase(), depth);
    while (typeof type !== "string" && this.#takes("[")) {
      if (!this.#takes("]")) return "a [ has no ]: lists are written varchar[]";
      type = listOf(type);
    }
    return type;
  }

  rest(): string[] {
    return this.#tokens.slice(this.#next).map((token) => token.text.toLowerCase());
  }

  #named(word: string, depth: number): Type | string {
    if (word === "decimal" || word === "numeric") return this.#decimal();
    if (word === "hugeint") return { kind: "decimal", precision: DECIMAL_PRECISION_MAX, scale: 0 };
    if (word === "fixed") return this.#fixed();
    if (word === "struct" || word === "row") return this.#struct(depth);
    if (word === "list" || word === "array") {
      const inner = this.#inner(1, depth);
      return typeof inner === "string" ? inner : listOf(inner[0] ?? STRING);
    }
    if (word === "map") {
      const inner = this.#inner(2, depth);
      return typeof inner === "string" ? inner : mapType(inner[0] ?? STRING, inner[1] ?? STRING);
    }
    const zone = (word === "timestamp" || word === "time") && this.#withZone();
    if (zone && word === "time") return "time with time zone has no Iceberg type: use time";
    const name = zone ? "timestamptz" : own(PRIMITIVES, word);
    if (name === undefined) return `there is no type "${word}"`;
    if (word === "varchar" || word === "char" || word === "double") this.#ignored(word);
    return { kind: "primitive", name };
  }

  /** `varchar(20)` and `double precision` mean what they say without the rest. */
  #ignored(word: string): void {
    if (word === "double") this.#takes("precision");
    else if (this.#takes("(")) this.#next += 2;
  }

  #withZone(): boolean {
    const words = this.#tokens.slice(this.#next, this.#next + 3).map((token) => token.text);
    const phrase = words.join(" ").toLowerCase();
    if (phrase === "with time zone" || phrase === "without time zone") this.#next += 3;
    return phrase === "with time zone";
  }

  #decimal(): Type | string {
    if (!this.#takes("(")) return { kind: "decimal", ...DECIMAL_DEFAULT };
    const precision = this.#number();
    const scale = this.#takes(",") ? this.#number() : 0;
    if (precision === null || scale === null || !this.#takes(")")) {
      return "decimals are written decimal(10,2)";
    }
    if (precision < 1 || precision > DECIMAL_PRECISION_MAX || scale > precision) {
      return `decimal(${precision},${scale}): precision is 1 to 38, scale at most the precision`;
    }
    return { kind: "decimal", precision, scale };
  }

  #fixed(): Type | string {
    const close = this.#takes("(") ? ")" : this.#takes("[") ? "]" : null;
    const length = close === null ? null : this.#number();
    if (close === null || length === null || length < 1 || !this.#takes(close)) {
      return "fixed is written fixed(16)";
    }
    return { kind: "fixed", length };
  }

  #struct(depth: number): Type | string {
    const close = this.#opens();
    if (close === null) return "structs are written struct(a int, b varchar)";
    const fields: Field[] = [];
    do {
      const token = this.#tokens[this.#next];
      if (token?.kind !== "name" && token?.kind !== "quoted") return "a struct field has no name";
      this.#next += 1;
      this.#takes(":");
      const type = this.type(depth + 1);
      if (typeof type === "string") return type;
      fields.push({ id: 0, name: token.text, required: this.#notNull(), type });
    } while (this.#takes(","));
    if (!this.#takes(close)) return "a struct is not closed";
    const names = new Set(fields.map((field) => field.name.toLowerCase()));
    return names.size === fields.length
      ? { kind: "struct", fields }
      : "a struct field stands twice";
  }

  #notNull(): boolean {
    const [first, second] = this.#tokens.slice(this.#next, this.#next + 2);
    const found = first?.text.toLowerCase() === "not" && second?.text.toLowerCase() === "null";
    if (found) this.#next += 2;
    return found;
  }

  #inner(count: number, depth: number): Type[] | string {
    const close = this.#opens();
    if (close === null) return "write list(varchar) or map(varchar, int)";
    const types: Type[] = [];
    do {
      const type = this.type(depth + 1);
      if (typeof type === "string") return type;
      types.push(type);
    } while (this.#takes(","));
    if (types.length !== count || !this.#takes(close))
      return `${counted(count, "type belongs", "types belong")} in the brackets`;
    return types;
  }

  #opens(): string | null {
    if (this.#takes("(")) return ")";
    return this.#takes("<") ? ">" : null;
  }

  #takes(sign: string): boolean {
    const token = this.#tokens[this.#next];
    const found = token !== undefined && token.kind !== "quoted" && token.text === sign;
    if (found) this.#next += 1;
    return found;
  }

  #number(): number | null {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "number") return null;
    this.#next += 1;
    return Number(token.text);
  }
}

const STRING: Type = { kind: "primitive", name: "string" };

function listOf(element: Type): Type {
  return { kind: "list", elementId: 0, elementRequired: false, element };
}

function mapType(key: Type, value: Type): Type {
  return { kind: "map", keyId: 0, key, valueId: 0, valueRequired: false, value };
}

function expected(token: Token): string {
  return `expected a type, got "${token.text}"`;
}

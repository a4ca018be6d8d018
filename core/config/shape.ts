/** Shapes: one description of a setting that both reads plain data and writes the JSON Schema for editors. */

import type { Json, JsonObject } from "../base/json.ts";
import { own } from "../base/json.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "../base/quantity.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";

export type Path = readonly (string | number)[];

/** Something wrong with plain data, at a path in it; cmd turns the path into file, line and column. */
export interface Issue {
  readonly path: Path;
  /** Whether the key or the value at the path is what is wrong. */
  readonly at: "key" | "value";
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly hint: string | null;
}

/** Where a reader stands and where it reports. */
export interface Cursor {
  readonly path: Path;
  readonly issues: Issue[];
}

/** Reads a value, or reports issues and answers undefined. */
export interface Shape<T> {
  /** JSON Schema, draft-07. Made when it is asked for: most starts only read. */
  readonly schema: JsonObject;
  readonly read: (value: unknown, cursor: Cursor) => T | undefined;
  /** How a default is spelled in the schema. */
  readonly spell: (value: T) => Json;
}

/** A key of an object: its schema, one sentence about it, and what its absence means. */
export interface Key<T> {
  readonly schema: JsonObject;
  readonly read: Shape<T>["read"];
  readonly doc: string;
  readonly absent: { readonly value: T } | null;
}

export type Keys = Readonly<Record<string, Key<unknown>>>;
export type ValueOf<K> = K extends Key<infer T> ? T : never;
export type Values<K extends Keys> = { readonly [Name in keyof K]: ValueOf<K[Name]> };

/** A key that may be absent. */
export function optional<T>(shape: Shape<T>, absent: T, doc: string): Key<T> {
  return {
    get schema() {
      const spelled = shape.spell(absent);
      const isPlain = spelled !== null && spelled !== "" && typeof spelled !== "object";
      return { ...shape.schema, description: doc, ...(isPlain ? { default: spelled } : {}) };
    },
    read: shape.read,
    doc,
    absent: { value: absent },
  };
}

/** A key that must be there. */
export function needed<T>(shape: Shape<T>, doc: string): Key<T> {
  return {
    get schema() {
      return { ...shape.schema, description: doc };
    },
    read: shape.read,
    doc,
    absent: null,
  };
}

/** Reports an issue; answers undefined so that readers can return it. */
export function report(
  cursor: Cursor,
  message: string,
  hint: string | null = null,
  at: Issue["at"] = "value",
): undefined {
  cursor.issues.push({ path: cursor.path, at, severity: "error", message, hint });
  return undefined;
}

/** The cursor one step further in. */
export function below(cursor: Cursor, step: string | number): Cursor {
  return { path: [...cursor.path, step], issues: cursor.issues };
}

/** A text; `check` answers what is wrong with it, or null. */
export function text(options: {
  readonly check?: (value: string) => string | null;
  readonly examples?: readonly string[];
}): Shape<string> {
  return {
    schema: {
      type: ["string", "number", "boolean"],
      ...(options.examples === undefined ? {} : { examples: options.examples }),
    },
    read: (value, cursor) => {
      const plain = typeof value === "number" || typeof value === "bigint" ? String(value) : value;
      const given = typeof plain === "boolean" ? String(plain) : plain;
      if (typeof given !== "string") return report(cursor, `expected a text, got ${kindOf(value)}`);
      const wrong = options.check?.(given) ?? null;
      return wrong === null ? given : report(cursor, wrong);
    },
    spell: (value) => value,
  };
}

/** True or false; a substituted variable arrives as text. */
export function boolean(): Shape<boolean> {
  return {
    schema: { type: "boolean" },
    read: (value, cursor) => {
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      return report(cursor, `expected true or false, got ${shown(value)}`);
    },
    spell: (value) => value,
  };
}

/** A whole number; `500_000` is accepted, as people write it. */
export function integer(limits: { readonly min: number; readonly max: number }): Shape<number> {
  return {
    schema: {
      anyOf: [
        { type: "integer", minimum: limits.min, maximum: limits.max },
        { type: "string", pattern: "^[0-9][0-9_]*$" },
      ],
    },
    read: (value, cursor) => {
      const isText = typeof value === "string" && /^-?\d[\d_]*$/.test(value.trim());
      const number = isText ? Number(value.trim().replaceAll("_", "")) : value;
      if (typeof number !== "number" || !Number.isSafeInteger(number)) {
        return report(cursor, `expected a whole number, got ${shown(value)}`);
      }
      if (number < limits.min || number > limits.max) {
        return report(cursor, `${number} is not between ${limits.min} and ${limits.max}`);
      }
      return number;
    },
    spell: (value) => value,
  };
}

/** One of a few words. `others` maps words of other tools to ours, for the hint. */
export function oneOf<const W extends string>(
  words: readonly W[],
  others: Readonly<Record<string, string>> = {},
): Shape<W> {
  return {
    schema: { enum: words },
    read: (value, cursor) => {
      const found = words.find((word) => word === value);
      if (found !== undefined) return found;
      const given = typeof value === "string" ? value : "";
      const meant = own(others, given) ?? nearestWord(given, words);
      const hint = meant === null ? null : `did you mean "${meant}"?`;
      return report(cursor, `expected ${orList(words)}, got ${shown(value)}`, hint);
    },
    spell: (value) => value,
  };
}

/** A duration such as `2s`, in milliseconds. */
export function duration(): Shape<number> {
  return {
    schema: { type: ["string", "integer"], examples: ["200ms", "2s", "5m", "2h", "14d"] },
    read: (value, cursor) => {
      const parsed = value === 0 ? 0 : typeof value === "string" ? parseDuration(value) : null;
      if (parsed !== null) return parsed;
      const bare = typeof value === "number" ? `: write ${value}s or ${value}ms` : "";
      const hint = "durations are written 200ms, 2s, 5m, 2h or 14d";
      return report(cursor, `${shown(value)} is not a duration${bare}`, hint);
    },
    spell: formatDuration,
  };
}

/** A size such as `64MB` or `1.5GiB`, in bytes. */
export function size(): Shape<number> {
  return {
    schema: { type: ["string", "integer"], examples: ["64MB", "1.5GiB"] },
    read: (value, cursor) => {
      const given = typeof value === "number" ? String(value) : value;
      const parsed = typeof given === "string" ? parseSize(given) : null;
      if (parsed !== null && parsed > 0) return parsed;
      const hint = "sizes are written 64MB (powers of ten) or 1.5GiB (powers of two)";
      return report(cursor, `${shown(value)} is not a size`, hint);
    },
    spell: formatSize,
  };
}

/** The share that a text such as `0.1%`, or `0.1`, says; null where it says none. */
export function percentShare(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?) ?%?$/.exec(text.trim());
  const percent = match === null ? Number.NaN : Number(match[1]);
  return percent >= 0 && percent <= 100 ? percent / 100 : null;
}

/** A share of values below a half; `off` is none. */
export function misfitShare(): Shape<number> {
  return {
    schema: { type: ["string", "integer", "boolean"], examples: ["1%", "0.1%", "off"] },
    read: (value, cursor) => {
      if (value === false || ["off", "none", "false"].includes(String(value))) return 0;
      const share = percentShare(String(value));
      const isSaid = typeof value === "string" || value === 0 || value === 0n;
      if (share !== null && share < 0.5 && isSaid) return share;
      const hint = "write 1%, less than 50%, or off";
      return report(cursor, `${shown(value)} is no share of values`, hint);
    },
    spell: (value) => (value === 0 ? "off" : `${value * 100}%`),
  };
}

/** A value whose absence is null. */
export function nullable<T>(inner: Shape<T>): Shape<T | null> {
  return {
    get schema() {
      return inner.schema;
    },
    read: inner.read,
    spell: (value) => (value === null ? null : inner.spell(value)),
  };
}

/** A list; one lone item stands for a list of one. */
export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    get schema() {
      return { anyOf: [{ type: "array", items: item.schema }, item.schema] };
    },
    read: (value, cursor) => {
      if (!Array.isArray(value)) {
        const one = item.read(value, cursor);
        return one === undefined ? undefined : [one];
      }
      const items: readonly unknown[] = value;
      const read = items.map((entry, index) => item.read(entry, below(cursor, index)));
      const good = read.filter((entry) => entry !== undefined);
      return good.length === read.length ? good : undefined;
    },
    spell: (value) => value.map((entry) => item.spell(entry)),
  };
}

/** A map from free names to values; `check` answers what is wrong with a name. */
export function mapOf<T>(
  item: Shape<T>,
  check: (name: string) => string | null = () => null,
): Shape<ReadonlyMap<string, T>> {
  return {
    get schema() {
      return { type: "object", additionalProperties: item.schema };
    },
    read: (value, cursor) => {
      if (!isRecord(value))
        return report(cursor, `expected names with values, got ${shown(value)}`);
      const result = new Map<string, T>();
      let whole = true;
      for (const [name, entry] of Object.entries(value)) {
        const inner = below(cursor, name);
        const wrong = check(name);
        if (wrong !== null) report(inner, wrong, null, "key");
        const read = item.read(entry ?? {}, inner);
        if (read === undefined || wrong !== null) whole = false;
        else result.set(name, read);
      }
      return whole ? result : undefined;
    },
    spell: (value) =>
      Object.fromEntries([...value].map(([name, entry]) => [name, item.spell(entry)])),
  };
}

/** An object with known keys; another key is an issue that names the nearest one. */
export function object<const K extends Keys>(
  keys: K,
  foreign: Readonly<Record<string, string>> = {},
): Shape<Values<K>> {
  return {
    get schema() {
      return objectSchema(keys);
    },
    read: (value, cursor) => {
      const given = value ?? {};
      if (!isRecord(given)) return report(cursor, `expected keys with values, got ${shown(value)}`);
      const issuesBefore = cursor.issues.length;
      for (const name of Object.keys(given)) {
        if (!Object.hasOwn(keys, name)) unknownKey(name, Object.keys(keys), foreign, cursor);
      }
      const result: Record<string, unknown> = {};
      for (const [name, key] of Object.entries(keys)) {
        const entry = Object.hasOwn(given, name) ? given[name] : undefined;
        if (entry !== undefined && entry !== null) {
          result[name] = key.read(entry, below(cursor, name));
        } else if (key.absent !== null) result[name] = key.absent.value;
        else report(cursor, `"${name}" is missing: ${key.doc}`);
      }
      const failed = cursor.issues.slice(issuesBefore).some((issue) => issue.severity === "error");
      return failed ? undefined : (result as Values<K>); // parse: every key was read or defaulted
    },
    spell: () => ({}),
  };
}

/** True for a plain object, as YAML and JSON make them. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as it is named in a message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return `"${value.length > 60 ? `${value.slice(0, 57)}…` : value}"`;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") {
    return String(value);
  }
  return kindOf(value);
}

function unknownKey(
  name: string,
  known: readonly string[],
  foreign: Readonly<Record<string, string>>,
  cursor: Cursor,
): void {
  const meant = own(foreign, name);
  const hint = meant ?? suggestion(name, known, "keys here");
  report(below(cursor, name), `unknown key "${name}"`, hint, "key");
}

function objectSchema(keys: Keys): JsonObject {
  const properties: Record<string, Json> = {};
  const required: string[] = [];
  for (const [name, key] of Object.entries(keys)) {
    properties[name] = key.schema;
    if (key.absent === null) required.push(name);
  }
  return {
    type: "object",
    additionalProperties: false,
    properties,
    ...(required.length > 0 ? { required } : {}),
  };
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "keys with values" : `a ${typeof value}`;
}

function orList(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} or ${words.at(-1) ?? ""}`;
}

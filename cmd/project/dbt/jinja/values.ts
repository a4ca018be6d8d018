/** Values of templates, as Python has them: what is true, what is equal, how they print. */

/** Undefined is what nobody said; null is Python's None. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | string
  | Float
  | Value[]
  | Dict
  | Thing
  | Callable;

export type Key = null | boolean | number | string;
export type Dict = Map<Key, Value>;

export interface Call {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
  /** The body of a call block. */
  readonly caller: Callable | null;
}

/** A number with a point, which prints one: 2.0. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A list that prints in parentheses. */
export class Tuple extends Array<Value> {
  static of2(values: readonly Value[]): Tuple {
    const tuple = new Tuple();
    tuple.push(...values);
    return tuple;
  }
}

/** Something with attributes, such as a relation. */
export interface Thing {
  readonly thing: string;
  attribute(name: string): Value;
  /** What printing it gives. */
  text(): string;
  /** Attributes that are assigned, of a namespace. */
  assign?(name: string, value: Value): void;
  /** What calling it gives. */
  call?(call: Call): Value;
}

export class Callable {
  readonly name: string;
  readonly call: (call: Call) => Value;

  constructor(name: string, call: (call: Call) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** What is wrong with a template, before it is known where. */
export class TemplateError extends Error {
  readonly hint: string;
  readonly isUnsupported: boolean;

  constructor(message: string, hint = "", isUnsupported = false) {
    super(message);
    this.hint = hint;
    this.isUnsupported = isUnsupported;
  }
}

export function unsupported(what: string, hint: string): TemplateError {
  return new TemplateError(what, hint, true);
}

export function isThing(value: Value): value is Thing {
  return typeof value === "object" && value !== null && "thing" in value;
}

export function isList(value: Value): value is Value[] {
  return Array.isArray(value);
}

export function isDict(value: Value): value is Dict {
  return value instanceof Map;
}

/** A function of templates whose arguments are bound by the names of its parameters. */
export function callable(
  name: string,
  parameters: readonly string[],
  body: (...values: Value[]) => Value,
): Callable {
  return new Callable(name, (call) => body(...bound(name, parameters, call)));
}

/** Arguments in the order of parameters; undefined where one is not given. */
export function bound(name: string, parameters: readonly string[], call: Call): Value[] {
  const values: Value[] = [...call.positional];
  if (values.length > parameters.length) {
    throw new TemplateError(`${name}() takes ${parameters.length} arguments, got ${values.length}`);
  }
  for (const [key, value] of call.named) {
    const index = parameters.indexOf(key);
    if (index < 0) {
      throw new TemplateError(
        `${name}() has no parameter "${key}"`,
        `its parameters: ${parameters.join(", ")}`,
      );
    }
    while (values.length <= index) values.push(undefined);
    values[index] = value;
  }
  return values;
}

export function dict(entries: Readonly<Record<string, Value>>): Dict {
  return new Map(Object.entries(entries));
}

/** Plain data of YAML or JSON. */
export function valueFrom(data: unknown): Value {
  if (data === undefined || data === null) return null;
  if (typeof data === "boolean" || typeof data === "number" || typeof data === "string") {
    return data;
  }
  if (typeof data === "bigint") return Number(data);
  if (data instanceof Date) return data.toISOString().slice(0, 10);
  if (Array.isArray(data)) return data.map(valueFrom);
  if (typeof data !== "object") return String(data);
  return new Map(Object.entries(data).map(([key, value]) => [key, valueFrom(value)]));
}

/** The reverse; functions and things are their texts. */
export function plainFrom(value: Value): unknown {
  if (value === undefined || value === null) return null;
  if (value instanceof Float) return value.value;
  if (isList(value)) return value.map(plainFrom);
  if (isDict(value)) {
    return Object.fromEntries([...value].map(([key, inner]) => [String(key), plainFrom(inner)]));
  }
  if (typeof value === "object") return toText(value);
  return value;
}

export function isTrue(value: Value): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "string") return value !== "";
  if (value instanceof Float) return value.value !== 0;
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  return true;
}

export function isEqual(a: Value, b: Value): boolean {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== null && right !== null) return left === right;
  if (isList(a) && isList(b)) {
    return a.length === b.length && a.every((value, index) => isEqual(value, b[index]));
  }
  if (isDict(a) && isDict(b)) {
    return a.size === b.size && [...a].every(([key, value]) => isEqual(value, b.get(key)));
  }
  if (isThing(a) && isThing(b)) return a === b || a.text() === b.text();
  return a === b;
}

/** Null for what is no number; true and false are ones. */
export function numberOf(value: Value): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return value instanceof Float ? value.value : null;
}

/** As Python orders them; throws for what has no order. */
export function compare(a: Value, b: Value): number {
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== null && right !== null) return left - right;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  if (isList(a) && isList(b)) {
    for (const [index, value] of a.entries()) {
      if (index >= b.length) return 1;
      const order = compare(value, b[index]);
      if (order !== 0) return order;
    }
    return a.length - b.length;
  }
  if (isThing(a) && isThing(b)) return compare(a.text(), b.text());
  throw new TemplateError(`${typeName(a)} and ${typeName(b)} have no order`);
}

/** What a loop goes over; of a dict its keys. */
export function itemsOf(value: Value): readonly Value[] {
  if (isList(value)) return value;
  if (isDict(value)) return [...value.keys()];
  if (typeof value === "string") return [...value];
  if (value === undefined) return [];
  throw new TemplateError(`${typeName(value)} is nothing to go over`);
}

export function keyOf(value: Value): Key {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "string") return value;
  if (value instanceof Float) return value.value;
  throw new TemplateError(`${typeName(value)} cannot be a key`);
}

export function typeName(value: Value): string {
  if (value === undefined) return "an undefined value";
  if (value === null) return "none";
  if (typeof value === "boolean") return "a boolean";
  if (typeof value === "number" || value instanceof Float) return "a number";
  if (typeof value === "string") return "a text";
  if (isList(value)) return "a list";
  if (isDict(value)) return "a dictionary";
  return value instanceof Callable ? `the function ${value.name}` : `a ${value.thing}`;
}

/** What `{{ value }}` writes. */
export function toText(value: Value): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : represented(value);
}

/** Python's repr. */
export function represented(value: Value): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quoted(value);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Tuple) {
    const inner = value.map(represented).join(", ");
    return value.length === 1 ? `(${inner},)` : `(${inner})`;
  }
  if (isList(value)) return `[${value.map(represented).join(", ")}]`;
  if (isDict(value)) {
    const entries = [...value].map(([key, inner]) => `${represented(key)}: ${represented(inner)}`);
    return `{${entries.join(", ")}}`;
  }
  return value instanceof Callable ? `<function ${value.name}>` : value.text();
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
  return `${quote}${quote === "'" ? inner.replaceAll("'", "\\'") : inner}${quote}`;
}

function floatText(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Python's operators over the values of templates. */

import {
  compare,
  Float,
  isDict,
  isEqual,
  isList,
  isThing,
  keyOf,
  numberOf,
  TemplateError,
  Tuple,
  toText,
  typeName,
  type Value,
} from "./values.ts";

/** Throws TemplateError for operands that the operator has no meaning for. */
export function binary(operator: string, left: Value, right: Value): Value {
  switch (operator) {
    case "==":
      return isEqual(left, right);
    case "!=":
      return !isEqual(left, right);
    case "<":
      return compare(left, right) < 0;
    case "<=":
      return compare(left, right) <= 0;
    case ">":
      return compare(left, right) > 0;
    case ">=":
      return compare(left, right) >= 0;
    case "in":
      return isIn(left, right);
    case "not in":
      return !isIn(left, right);
    case "~":
      return toText(left) + toText(right);
    case "+":
      if (typeof left === "string" && typeof right === "string") return left + right;
      if (isList(left) && isList(right)) {
        const both = [...left, ...right];
        return left instanceof Tuple ? Tuple.of2(both) : both;
      }
      return arithmetic(operator, left, right);
    case "*":
      if (typeof left === "string" && typeof right === "number") return repeated(left, right);
      if (isList(left) && typeof right === "number") {
        return Array.from({ length: Math.max(right, 0) }, () => left).flat();
      }
      return arithmetic(operator, left, right);
    case "%":
      if (typeof left === "string") return formatted(left, isList(right) ? right : [right]);
      return arithmetic(operator, left, right);
    default:
      return arithmetic(operator, left, right);
  }
}

/** `%s`, `%d`, `%05.2f` of Python. */
export function formatted(text: string, values: readonly Value[]): string {
  let next = 0;
  return text.replace(/%(0?)(\d*)(?:\.(\d+))?([sdif%])/g, (_, zero, width, digits, kind) => {
    if (kind === "%") return "%";
    const value = values[next];
    next += 1;
    const number = numberOf(value) ?? 0;
    const isWhole = kind === "d" || kind === "i";
    const shown = isWhole
      ? String(Math.trunc(number))
      : kind === "f"
        ? number.toFixed(digits === undefined ? 6 : Number(digits))
        : toText(value);
    return shown.padStart(Number(width || 0), zero === "0" ? "0" : " ");
  });
}

export function sliceOf(
  object: Value,
  start: number | null,
  stop: number | null,
  step: number | null,
): Value {
  if (typeof object !== "string" && !isList(object)) {
    throw new TemplateError(`${typeName(object)} has no part of it`);
  }
  const by = step ?? 1;
  const length = object.length;
  const at = (index: number | null, otherwise: number): number => {
    if (index === null) return otherwise;
    const from = index < 0 ? index + length : index;
    return by > 0 ? Math.min(Math.max(from, 0), length) : Math.min(Math.max(from, -1), length - 1);
  };
  const from = at(start, by > 0 ? 0 : length - 1);
  const to = at(stop, by > 0 ? length : -1);
  const items: Value[] = [];
  for (let index = from; by > 0 ? index < to : index > to; index += by) items.push(object[index]);
  return typeof object === "string" ? items.map(toText).join("") : items;
}

function isIn(value: Value, container: Value): boolean {
  if (container === undefined) return false;
  if (typeof container === "string") return container.includes(toText(value));
  if (isList(container)) return container.some((item) => isEqual(item, value));
  if (isDict(container)) return container.has(keyOf(value));
  if (isThing(container)) return container.attribute(toText(value)) !== undefined;
  throw new TemplateError(`${typeName(container)} holds nothing to look for`);
}

function arithmetic(operator: string, left: Value, right: Value): Value {
  const a = numberOf(left);
  const b = numberOf(right);
  if (a === null || b === null) {
    const what = `${typeName(left)} ${operator} ${typeName(right)}`;
    throw new TemplateError(`${what} has no meaning`, "to join texts write ~");
  }
  const isFloat = left instanceof Float || right instanceof Float || operator === "/";
  if (b === 0 && ["/", "//", "%"].includes(operator)) throw new TemplateError("division by zero");
  const result = computed(operator, a, b);
  return isFloat || !Number.isInteger(result) ? new Float(result) : result;
}

function computed(operator: string, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - b * Math.floor(a / b);
    case "**":
      return a ** b;
    default:
      throw new TemplateError(`there is no operator ${operator}`);
  }
}

/** Characters that a template may make of one text at a time. */
const REPEATED_MAX = 1_000_000;

function repeated(text: string, count: number): string {
  if (text.length * count > REPEATED_MAX) throw new TemplateError("a text of too many repetitions");
  return text.repeat(Math.max(count, 0));
}

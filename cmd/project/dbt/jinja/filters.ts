/** Filters and tests of Jinja, and those that dbt adds. */

import { methodOf, partsOf, replaced, titled } from "./methods.ts";
import { formatted } from "./operators.ts";
import {
  bound,
  type Call,
  Callable,
  compare,
  Float,
  isDict,
  isEqual,
  isList,
  isThing,
  isTrue,
  itemsOf,
  keyOf,
  numberOf,
  plainFrom,
  TemplateError,
  Tuple,
  toText,
  typeName,
  type Value,
} from "./values.ts";

type ApplyTest = (name: string, value: Value, given: readonly Value[]) => boolean;
type Filter = (operand: Value, call: Call, test: ApplyTest) => Value;

/** What a filter takes, by the names of its parameters. */
function plain(parameters: readonly string[], body: (...values: Value[]) => Value): Filter {
  return (operand, call) => body(operand, ...bound("the filter", parameters, call));
}

function texts(body: (text: string) => Value): Filter {
  return plain([], (value) => body(toText(value)));
}

export const FILTERS: Readonly<Record<string, Filter>> = {
  upper: texts((text) => text.toUpperCase()),
  lower: texts((text) => text.toLowerCase()),
  title: texts(titled),
  capitalize: texts((text) => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()),
  trim: plain(["chars"], (value, chars) => {
    const strip = methodOf(toText(value), "strip");
    const positional = chars === undefined ? [] : [chars];
    return strip?.call({ positional, named: new Map(), caller: null });
  }),
  string: texts((text) => text),
  safe: plain([], (value) => value),
  e: texts(escaped),
  escape: texts(escaped),
  length: plain([], lengthOf),
  count: plain([], lengthOf),
  wordcount: texts((text) => text.split(/\s+/).filter(Boolean).length),
  replace: plain(["old", "new", "count"], (value, before, after, count) =>
    replaced(toText(value), toText(before), toText(after), numberOf(count)),
  ),
  indent: plain(["width", "first", "blank"], (value, width, first, blank) => {
    const by = typeof width === "string" ? width : " ".repeat(numberOf(width) ?? 4);
    return toText(value)
      .split("\n")
      .map((line, index) => {
        if (index === 0 && !isTrue(first)) return line;
        return line === "" && !isTrue(blank) ? line : by + line;
      })
      .join("\n");
  }),
  format: (operand, call) => formatted(toText(operand), call.positional),
  truncate: plain(["length", "killwords", "end"], (value, length, _, end) => {
    const text = toText(value);
    const most = numberOf(length) ?? 255;
    return text.length <= most ? text : text.slice(0, most - 3) + (end ?? "...");
  }),
  int: plain(["default", "base"], (value, otherwise, base) => {
    const number = numberOf(value);
    const read = number ?? Number.parseInt(toText(value).trim(), numberOf(base) ?? 10);
    return Number.isNaN(read) ? (otherwise ?? 0) : Math.trunc(read);
  }),
  float: plain(["default"], (value, otherwise) => {
    const read = numberOf(value) ?? Number.parseFloat(toText(value));
    return Number.isNaN(read) ? (otherwise ?? new Float(0)) : new Float(read);
  }),
  abs: plain([], (value) => Math.abs(numberOf(value) ?? 0)),
  round: plain(["precision", "method"], (value, precision, method) => {
    const scale = 10 ** (numberOf(precision) ?? 0);
    const number = (numberOf(value) ?? 0) * scale;
    const how = method === "floor" ? Math.floor : method === "ceil" ? Math.ceil : Math.round;
    return new Float(how(number) / scale);
  }),
  default: plain(["default_value", "boolean"], defaulted),
  d: plain(["default_value", "boolean"], defaulted),
  list: plain([], (value) => [...itemsOf(value)]),
  first: plain([], (value) => itemsOf(value)[0]),
  last: plain([], (value) => itemsOf(value).at(-1)),
  reverse: plain([], (value) =>
    typeof value === "string" ? [...value].reverse().join("") : [...itemsOf(value)].reverse(),
  ),
  join: plain(["d", "attribute"], (value, separator, attribute) =>
    itemsOf(value)
      .map((item) => toText(attributeOf(item, attribute)))
      .join(toText(separator)),
  ),
  sort: plain(["reverse", "case_sensitive", "attribute"], (value, reverse, isCased, attribute) => {
    const key = (item: Value): Value => folded(attributeOf(item, attribute), isCased);
    const sorted = [...itemsOf(value)].sort((a, b) => compare(key(a), key(b)));
    return isTrue(reverse) ? sorted.reverse() : sorted;
  }),
  unique: plain(["case_sensitive", "attribute"], (value, isCased, attribute) => {
    const seen: Value[] = [];
    return itemsOf(value).filter((item) => {
      const key = folded(attributeOf(item, attribute), isCased);
      if (seen.some((other) => isEqual(other, key))) return false;
      seen.push(key);
      return true;
    });
  }),
  sum: plain(["attribute", "start"], (value, attribute, start) => {
    let total = numberOf(start) ?? 0;
    for (const item of itemsOf(value)) total += numberOf(attributeOf(item, attribute)) ?? 0;
    return Number.isInteger(total) ? total : new Float(total);
  }),
  min: plain(["case_sensitive", "attribute"], (value, isCased, attribute) =>
    extreme(value, isCased, attribute, -1),
  ),
  max: plain(["case_sensitive", "attribute"], (value, isCased, attribute) =>
    extreme(value, isCased, attribute, 1),
  ),
  batch: plain(["linecount", "fill_with"], (value, count, fill) => {
    const size = Math.max(numberOf(count) ?? 1, 1);
    const items = itemsOf(value);
    const rows: Value[] = [];
    for (let at = 0; at < items.length; at += size) {
      const row = items.slice(at, at + size);
      while (fill !== undefined && row.length < size) row.push(fill);
      rows.push([...row]);
    }
    return rows;
  }),
  items: plain([], (value) => pairs(value)),
  dictsort: plain(["case_sensitive", "by", "reverse"], (value, isCased, by, reverse) => {
    const at = by === "value" ? 1 : 0;
    const key = (pair: Value): Value => folded(isList(pair) ? pair[at] : undefined, isCased);
    const sorted = pairs(value).sort((a, b) => compare(key(a), key(b)));
    return isTrue(reverse) ? sorted.reverse() : sorted;
  }),
  groupby: plain(["attribute"], (value, attribute) => {
    const groups: Tuple[] = [];
    for (const item of itemsOf(value)) {
      const key = attributeOf(item, attribute);
      const group = groups.find(([known]) => isEqual(known, key));
      const members = group?.[1];
      if (isList(members)) members.push(item);
      else groups.push(Tuple.of2([key, [item]]));
    }
    return groups.sort((a, b) => compare(a[0], b[0]));
  }),
  map: (operand, call, test) => {
    const { positional, named } = call;
    const attribute = named.get("attribute");
    if (attribute !== undefined) {
      const otherwise = named.get("default");
      return itemsOf(operand).map((item) => attributeOf(item, attribute) ?? otherwise);
    }
    const [name, ...rest] = positional;
    const filter = FILTERS[toText(name)];
    if (filter === undefined) throw new TemplateError(`there is no filter "${toText(name)}"`);
    const inner = { positional: rest, named, caller: null };
    return itemsOf(operand).map((item) => filter(item, inner, test));
  },
  select: (operand, { positional }, test) => chosen(operand, positional, test, true),
  reject: (operand, { positional }, test) => chosen(operand, positional, test, false),
  selectattr: (operand, { positional }, test) => chosenBy(operand, positional, test, true),
  rejectattr: (operand, { positional }, test) => chosenBy(operand, positional, test, false),
  tojson: plain(["indent", "sort_keys"], (value) => jsonText(value)),
  // Of dbt: types of values that a template makes, where it is rendered to more than text.
  as_text: texts((text) => text),
  as_native: plain([], (value) => value),
  as_bool: plain([], (value) => toText(value).toLowerCase() === "true"),
  as_number: plain([], (value) => Number(toText(value))),
};

export const TESTS: Readonly<Record<string, (value: Value, given: readonly Value[]) => boolean>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  string: (value) => typeof value === "string",
  number: (value) => typeof value !== "boolean" && numberOf(value) !== null,
  integer: (value) => typeof value === "number" && Number.isInteger(value),
  float: (value) => value instanceof Float,
  boolean: (value) => typeof value === "boolean",
  true: (value) => value === true,
  false: (value) => value === false,
  mapping: isDict,
  is_list: isList,
  list: isList,
  iterable: (value) => isList(value) || isDict(value) || typeof value === "string",
  sequence: (value) => isList(value) || isDict(value) || typeof value === "string",
  callable: (value) => value instanceof Callable || (isThing(value) && value.call !== undefined),
  even: (value) => (numberOf(value) ?? 1) % 2 === 0,
  odd: (value) => Math.abs((numberOf(value) ?? 0) % 2) === 1,
  divisibleby: (value, [by]) => (numberOf(value) ?? 1) % (numberOf(by) ?? 1) === 0,
  lower: (value) => toText(value) === toText(value).toLowerCase(),
  upper: (value) => toText(value) === toText(value).toUpperCase(),
  in: (value, [container]) => container !== undefined && holds(container, value),
  eq: (value, [other]) => isEqual(value, other),
  equalto: (value, [other]) => isEqual(value, other),
  "==": (value, [other]) => isEqual(value, other),
  ne: (value, [other]) => !isEqual(value, other),
  "!=": (value, [other]) => !isEqual(value, other),
  gt: (value, [other]) => compare(value, other) > 0,
  greaterthan: (value, [other]) => compare(value, other) > 0,
  ge: (value, [other]) => compare(value, other) >= 0,
  lt: (value, [other]) => compare(value, other) < 0,
  lessthan: (value, [other]) => compare(value, other) < 0,
  le: (value, [other]) => compare(value, other) <= 0,
  sameas: (value, [other]) => value === other || isEqual(value, other),
};

/** JSON as Python writes it. */
export function jsonText(value: Value): string {
  const inner = (data: unknown): string => {
    if (Array.isArray(data)) return `[${data.map(inner).join(", ")}]`;
    if (typeof data !== "object" || data === null) return JSON.stringify(data);
    const entries = Object.entries(data).map(
      ([key, one]) => `${JSON.stringify(key)}: ${inner(one)}`,
    );
    return `{${entries.join(", ")}}`;
  };
  return inner(plainFrom(value));
}

function holds(container: Value, value: Value): boolean {
  if (typeof container === "string") return container.includes(toText(value));
  if (isDict(container)) return container.has(keyOf(value));
  return itemsOf(container).some((item) => isEqual(item, value));
}

function defaulted(value: Value, otherwise: Value, isBoolean: Value): Value {
  const isMissing = value === undefined || (isTrue(isBoolean) && !isTrue(value));
  return isMissing ? (otherwise ?? "") : value;
}

function lengthOf(value: Value): Value {
  if (typeof value === "string" || isList(value)) return value.length;
  if (isDict(value)) return value.size;
  throw new TemplateError(`${typeName(value)} has no length`);
}

function attributeOf(item: Value, attribute: Value): Value {
  if (attribute === undefined || attribute === null) return item;
  return partsOf(item, toText(attribute));
}

function folded(value: Value, isCased: Value): Value {
  return typeof value === "string" && !isTrue(isCased) ? value.toLowerCase() : value;
}

function extreme(value: Value, isCased: Value, attribute: Value, sign: number): Value {
  let best: Value;
  for (const [index, item] of itemsOf(value).entries()) {
    const key = (one: Value): Value => folded(attributeOf(one, attribute), isCased);
    if (index === 0 || compare(key(item), key(best)) * sign > 0) best = item;
  }
  return best;
}

function pairs(value: Value): Value[] {
  if (!isDict(value)) throw new TemplateError(`${typeName(value)} has no items`);
  return [...value].map((pair) => Tuple.of2(pair));
}

function chosen(
  operand: Value,
  [name, ...given]: readonly Value[],
  test: ApplyTest,
  isKept: boolean,
): Value {
  return itemsOf(operand).filter((item) => {
    const holds = name === undefined ? isTrue(item) : test(toText(name), item, given);
    return holds === isKept;
  });
}

function chosenBy(
  operand: Value,
  [attribute, name, ...given]: readonly Value[],
  test: ApplyTest,
  isKept: boolean,
): Value {
  return itemsOf(operand).filter((item) => {
    const value = attributeOf(item, attribute);
    const holds = name === undefined ? isTrue(value) : test(toText(name), value, given);
    return holds === isKept;
  });
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&#34;")
    .replaceAll("'", "&#39;");
}

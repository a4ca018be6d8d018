/** Methods that Python's texts, lists and dictionaries have, as templates call them. */

import {
  bound,
  Callable,
  callable,
  compare,
  type Dict,
  isDict,
  isEqual,
  isList,
  isThing,
  itemsOf,
  type Key,
  keyOf,
  numberOf,
  TemplateError,
  Tuple,
  toText,
  type Value,
} from "./values.ts";

/** Undefined where there is none of the name. */
export function methodOf(object: Value, name: string): Callable | undefined {
  if (typeof object === "string") return textMethod(object, name);
  if (isList(object)) return listMethod(object, name);
  if (isDict(object)) return dictMethod(object, name);
  return undefined;
}

/** `a.b.c` of a value, for filters that take the name of an attribute. */
export function partsOf(value: Value, path: string): Value {
  let found = value;
  for (const part of path.split(".")) {
    if (isDict(found)) found = found.get(part);
    else if (isThing(found)) found = found.attribute(part);
    else if (isList(found) && /^\d+$/.test(part)) found = found[Number(part)];
    else return undefined;
  }
  return found;
}

export function titled(text: string): string {
  return text.toLowerCase().replace(/(^|[^a-z])([a-z])/g, (_, before: string, letter: string) => {
    return before + letter.toUpperCase();
  });
}

export function replaced(text: string, before: string, after: string, count: number | null) {
  if (count === null || count < 0) return text.split(before).join(after);
  const parts = text.split(before);
  const head = parts.slice(0, count + 1).join(after);
  const tail = parts.slice(count + 1);
  return tail.length === 0 ? head : [head, ...tail].join(before);
}

type TextMethod = (text: string, ...values: Value[]) => Value;

const TEXT_METHODS: Readonly<Record<string, readonly [readonly string[], TextMethod]>> = {
  upper: [[], (text) => text.toUpperCase()],
  lower: [[], (text) => text.toLowerCase()],
  casefold: [[], (text) => text.toLowerCase()],
  title: [[], titled],
  capitalize: [[], (text) => text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()],
  swapcase: [
    [],
    (text) =>
      [...text].map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())).join(""),
  ],
  strip: [["chars"], (text, chars) => stripped(text, chars, true, true)],
  lstrip: [["chars"], (text, chars) => stripped(text, chars, true, false)],
  rstrip: [["chars"], (text, chars) => stripped(text, chars, false, true)],
  split: [["sep", "maxsplit"], (text, by, most) => split(text, by, numberOf(most))],
  rsplit: [["sep", "maxsplit"], (text, by, most) => splitFromEnd(text, by, numberOf(most))],
  splitlines: [[], (text) => text.replace(/\n$/, "").split("\n")],
  join: [["iterable"], (text, items) => itemsOf(items).map(toText).join(text)],
  replace: [
    ["old", "new", "count"],
    (text, before, after, count) => replaced(text, toText(before), toText(after), numberOf(count)),
  ],
  startswith: [["prefix"], (text, prefix) => some(prefix, (one) => text.startsWith(one))],
  endswith: [["suffix"], (text, suffix) => some(suffix, (one) => text.endsWith(one))],
  removeprefix: [
    ["prefix"],
    (text, prefix) => (text.startsWith(toText(prefix)) ? text.slice(toText(prefix).length) : text),
  ],
  removesuffix: [
    ["suffix"],
    (text, suffix) =>
      toText(suffix) !== "" && text.endsWith(toText(suffix))
        ? text.slice(0, -toText(suffix).length)
        : text,
  ],
  find: [["sub"], (text, part) => text.indexOf(toText(part))],
  rfind: [["sub"], (text, part) => text.lastIndexOf(toText(part))],
  index: [["sub"], (text, part) => text.indexOf(toText(part))],
  count: [["sub"], (text, part) => text.split(toText(part)).length - 1],
  isdigit: [[], (text) => /^\d+$/.test(text)],
  isnumeric: [[], (text) => /^\d+$/.test(text)],
  isdecimal: [[], (text) => /^\d+$/.test(text)],
  isalpha: [[], (text) => /^\p{L}+$/u.test(text)],
  isalnum: [[], (text) => /^[\p{L}\p{N}]+$/u.test(text)],
  isidentifier: [[], (text) => /^[A-Za-z_]\w*$/.test(text)],
  isspace: [[], (text) => /^\s+$/.test(text)],
  isupper: [[], (text) => text !== text.toLowerCase() && text === text.toUpperCase()],
  islower: [[], (text) => text !== text.toUpperCase() && text === text.toLowerCase()],
  zfill: [["width"], (text, width) => text.padStart(numberOf(width) ?? 0, "0")],
  ljust: [["width", "fill"], (text, width, fill) => text.padEnd(numberOf(width) ?? 0, pad(fill))],
  rjust: [["width", "fill"], (text, width, fill) => text.padStart(numberOf(width) ?? 0, pad(fill))],
  partition: [
    ["sep"],
    (text, by) => {
      const at = text.indexOf(toText(by));
      if (at < 0) return Tuple.of2([text, "", ""]);
      return Tuple.of2([text.slice(0, at), by, text.slice(at + toText(by).length)]);
    },
  ],
};

function textMethod(text: string, name: string): Callable | undefined {
  if (name === "format") return new Callable("format", (call) => braced(text, call));
  if (!Object.hasOwn(TEXT_METHODS, name)) return undefined;
  const [parameters = [], body] = TEXT_METHODS[name] ?? [];
  if (body === undefined) return undefined;
  return callable(name, parameters, (...values) => body(text, ...values));
}

/** `"{} {name}".format(…)`. */
function braced(text: string, call: Parameters<Callable["call"]>[0]): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\w*)(?::([^}]*))?\}/g, (all, name?: string, spec?: string) => {
    if (all === "{{" || all === "}}") return all.charAt(0);
    let value: Value;
    if (name === undefined || name === "") {
      value = call.positional[next];
      next += 1;
    } else if (/^\d+$/.test(name)) value = call.positional[Number(name)];
    else value = call.named.get(name);
    if (spec === undefined || spec === "") return toText(value);
    const [, zero = "", width = "", digits, kind] =
      /^(0?)(\d*)(?:\.(\d+))?([dfs]?)$/.exec(spec) ?? [];
    const number = numberOf(value);
    const isFixed = kind === "f" && number !== null;
    const shown = isFixed ? number.toFixed(Number(digits ?? 6)) : toText(value);
    return shown.padStart(Number(width || 0), zero === "0" ? "0" : " ");
  });
}

type ListMethod = (list: Value[], ...values: Value[]) => Value;

const LIST_METHODS: Readonly<Record<string, readonly [readonly string[], ListMethod]>> = {
  append: [
    ["object"],
    (list, item) => {
      list.push(item);
      return null;
    },
  ],
  extend: [
    ["iterable"],
    (list, items) => {
      list.push(...itemsOf(items));
      return null;
    },
  ],
  insert: [
    ["index", "object"],
    (list, index, item) => {
      list.splice(numberOf(index) ?? 0, 0, item);
      return null;
    },
  ],
  pop: [["index"], (list, index) => list.splice(numberOf(index) ?? list.length - 1, 1)[0]],
  remove: [
    ["value"],
    (list, item) => {
      const at = list.findIndex((one) => isEqual(one, item));
      if (at < 0) throw new TemplateError("remove(): it is not in the list");
      list.splice(at, 1);
      return null;
    },
  ],
  index: [["value"], (list, item) => list.findIndex((one) => isEqual(one, item))],
  count: [["value"], (list, item) => list.filter((one) => isEqual(one, item)).length],
  copy: [[], (list) => [...list]],
  clear: [
    [],
    (list) => {
      list.length = 0;
      return null;
    },
  ],
  reverse: [
    [],
    (list) => {
      list.reverse();
      return null;
    },
  ],
  sort: [
    ["reverse"],
    (list, reverse) => {
      list.sort((a, b) => (reverse === true ? compare(b, a) : compare(a, b)));
      return null;
    },
  ],
  // A set is a list in which nothing is twice.
  add: [
    ["value"],
    (list, item) => {
      if (!list.some((one) => isEqual(one, item))) list.push(item);
      return null;
    },
  ],
  union: [["other"], (list, other) => distinct([...list, ...itemsOf(other)])],
  intersection: [
    ["other"],
    (list, other) => list.filter((one) => itemsOf(other).some((two) => isEqual(one, two))),
  ],
  difference: [
    ["other"],
    (list, other) => list.filter((one) => !itemsOf(other).some((two) => isEqual(one, two))),
  ],
};

function listMethod(list: Value[], name: string): Callable | undefined {
  if (!Object.hasOwn(LIST_METHODS, name)) return undefined;
  const [parameters = [], body] = LIST_METHODS[name] ?? [];
  if (body === undefined) return undefined;
  return callable(name, parameters, (...values) => body(list, ...values));
}

/** What stands in it once. */
export function distinct(values: readonly Value[]): Value[] {
  const seen: Value[] = [];
  for (const value of values) if (!seen.some((one) => isEqual(one, value))) seen.push(value);
  return seen;
}

function dictMethod(map: Dict, name: string): Callable | undefined {
  switch (name) {
    case "get":
      return callable(name, ["key", "default"], (key, otherwise) =>
        map.has(keyOf(key)) ? map.get(keyOf(key)) : (otherwise ?? null),
      );
    case "items":
      return callable(name, [], () => [...map].map((pair) => Tuple.of2(pair)));
    case "keys":
      return callable(name, [], () => [...map.keys()]);
    case "values":
      return callable(name, [], () => [...map.values()]);
    case "copy":
      return callable(name, [], () => new Map(map));
    case "update":
      return new Callable(name, (call) => {
        const [other] = call.positional;
        if (isDict(other)) for (const [key, value] of other) map.set(key, value);
        else for (const pair of itemsOf(other)) putPair(map, pair);
        for (const [key, value] of call.named) map.set(key, value);
        return null;
      });
    case "setdefault":
      return callable(name, ["key", "default"], (key, otherwise) => {
        if (!map.has(keyOf(key))) map.set(keyOf(key), otherwise ?? null);
        return map.get(keyOf(key));
      });
    case "pop":
      return new Callable(name, (call) => {
        const [key, otherwise] = bound(name, ["key", "default"], call);
        const found = map.get(keyOf(key));
        map.delete(keyOf(key));
        return found ?? otherwise ?? null;
      });
    case "clear":
      return callable(name, [], () => {
        map.clear();
        return null;
      });
    default:
      return undefined;
  }
}

/** A pair as an entry. */
export function putPair(map: Map<Key, Value>, pair: Value): void {
  const [key, value] = itemsOf(pair);
  map.set(keyOf(key), value);
}

function some(value: Value, holds: (text: string) => boolean): boolean {
  return isList(value) ? value.some((one) => holds(toText(one))) : holds(toText(value));
}

function pad(fill: Value): string {
  return fill === undefined ? " " : toText(fill);
}

function stripped(text: string, chars: Value, left: boolean, right: boolean): string {
  const isOne = (c: string | undefined): boolean => {
    if (c === undefined) return false;
    return typeof chars === "string" ? chars.includes(c) : /\s/.test(c);
  };
  let from = 0;
  let to = text.length;
  while (left && from < to && isOne(text[from])) from += 1;
  while (right && to > from && isOne(text[to - 1])) to -= 1;
  return text.slice(from, to);
}

function split(text: string, by: Value, most: number | null): Value[] {
  if (by === undefined || by === null) return text.trim().split(/\s+/).filter(Boolean);
  const parts = text.split(toText(by));
  if (most === null || most < 0 || parts.length <= most + 1) return parts;
  return [...parts.slice(0, most), parts.slice(most).join(toText(by))];
}

function splitFromEnd(text: string, by: Value, most: number | null): Value[] {
  const parts = split(text, by, null).map(toText);
  if (most === null || most < 0 || parts.length <= most + 1) return parts;
  const head = parts.slice(0, parts.length - most).join(toText(by ?? " "));
  return [head, ...parts.slice(parts.length - most)];
}

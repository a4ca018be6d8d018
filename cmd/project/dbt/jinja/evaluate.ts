/**
 * What a template comes to: a walk over the library's syntax tree, as Jinja and dbt have it. The library's own runtime
 * is made for chats: its lists have no `append`, its macros return texts alone, and its errors have no place.
 */

import { nearestWord } from "../../../../core/base/suggest.ts";
import { FILTERS, TESTS } from "./filters.ts";
import { methodOf } from "./methods.ts";
import { binary, sliceOf } from "./operators.ts";
import { type Node, PlacedTemplateError, type Template } from "./syntax.ts";
import {
  type Call,
  Callable,
  type Dict,
  dict,
  isDict,
  isList,
  isThing,
  isTrue,
  itemsOf,
  keyOf,
  numberOf,
  TemplateError,
  type Thing,
  Tuple,
  toText,
  typeName,
  type Value,
} from "./values.ts";

/** Names in sight, each seen through those around it. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #around: Scope | null;
  /** What names nobody set are; loaded as they are asked for. */
  readonly #otherwise: ((name: string) => Value) | null;

  constructor(around: Scope | null, otherwise: ((name: string) => Value) | null = null) {
    this.#around = around;
    this.#otherwise = otherwise;
  }

  get(name: string): Value {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#around) {
      if (scope.#values.has(name)) return scope.#values.get(name);
      const found = scope.#otherwise?.(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}

/** Nesting of macros. */
const DEPTH_MAX = 200;
/** Turns of all loops of one template, which has no other end. */
const TURNS_MAX = 2_000_000;

class Returned extends Error {
  readonly value: Value;

  constructor(value: Value) {
    super("return outside of a macro");
    this.value = value;
  }
}
class Broken extends Error {}
class Continued extends Error {}

/** dbt's `return`: what the macro that it stands in comes to. */
export const RETURN = new Callable("return", ({ positional }) => {
  throw new Returned(positional[0] ?? null);
});

/** Renders a template. Throws PlacedTemplateError. */
export function render(template: Template, scope: Scope): string {
  const run = new Evaluation(template);
  return run.guarded(() => {
    try {
      return run.block(bodyOf(template.program), scope);
    } catch (thrown) {
      if (thrown instanceof Returned) return toText(thrown.value);
      throw thrown;
    }
  });
}

/** The macros that a template defines; what else stands in it is not looked at. */
export function macrosOf(template: Template, scope: Scope): ReadonlyMap<string, Callable> {
  const run = new Evaluation(template);
  const found = new Map<string, Callable>();
  for (const node of bodyOf(template.program)) {
    if (node.type === "Set") run.guarded(() => run.evaluate(node, scope));
    if (node.type !== "Macro") continue;
    found.set(node.name.value, run.macro(node, scope));
  }
  return found;
}

function bodyOf(program: Node): readonly Node[] {
  return program.type === "Program" ? program.body : [];
}

let depth = 0;
let turns = 0;

class Evaluation {
  readonly #template: Template;
  #line = 1;

  constructor(template: Template) {
    this.#template = template;
  }

  /** A fault within has the place of the last name that was looked at. */
  guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      if (thrown instanceof PlacedTemplateError || isControl(thrown)) throw thrown;
      const cause = thrown instanceof TemplateError ? thrown : new TemplateError(messageOf(thrown));
      throw new PlacedTemplateError(this.#template.file, this.#line, cause);
    }
  }

  block(nodes: readonly Node[], scope: Scope): string {
    let text = "";
    for (const node of nodes) {
      if (node.type === "StringLiteral") text += node.value;
      else text += toText(this.evaluate(node, scope));
    }
    return text;
  }

  evaluate(node: Node, scope: Scope): Value {
    switch (node.type) {
      case "Program":
        return this.block(node.body, scope);
      case "Comment":
        return "";
      case "Break":
        throw new Broken();
      case "Continue":
        throw new Continued();
      case "If":
        return this.block(
          isTrue(this.evaluate(node.test, scope)) ? node.body : node.alternate,
          scope,
        );
      case "For":
        return this.#loop(node, scope);
      case "Set":
        this.#set(node, scope);
        return "";
      case "Macro":
        this.#seen(node.name);
        scope.set(node.name.value, this.macro(node, scope));
        return "";
      case "CallStatement":
        return this.#callBlock(node, scope);
      case "FilterStatement":
        return this.#filter(this.block(node.body, scope), node.filter, scope);
      default:
        return this.#expression(node, scope);
    }
  }

  macro(node: Node & { type: "Macro" }, around: Scope): Callable {
    const { name, args, body } = node;
    return new Callable(name.value, (call) =>
      this.guarded(() => {
        const line = this.#line;
        const scope = this.#bound(name.value, args, body, call, around);
        const value = this.#deeper(name.value, () => {
          try {
            return this.block(body, scope);
          } catch (thrown) {
            if (thrown instanceof Returned) return thrown.value;
            throw thrown;
          }
        });
        this.#line = line;
        return value;
      }),
    );
  }

  #deeper<T>(name: string, work: () => T): T {
    if (depth >= DEPTH_MAX) throw new TemplateError(`macros nest too deep, in ${name}`);
    depth += 1;
    try {
      return work();
    } finally {
      depth -= 1;
      if (depth === 0) turns = 0;
    }
  }

  #expression(node: Node, scope: Scope): Value {
    switch (node.type) {
      case "Identifier":
        return this.#name(node, scope);
      case "IntegerLiteral":
      case "StringLiteral":
        return node.value;
      case "FloatLiteral":
        return binary("/", node.value, 1);
      case "ArrayLiteral":
        return node.value.map((item) => this.evaluate(item, scope));
      case "TupleLiteral":
        return Tuple.of2(node.value.map((item) => this.evaluate(item, scope)));
      case "ObjectLiteral":
        return new Map(
          [...node.value].map(([key, value]) => [
            keyOf(this.evaluate(key, scope)),
            this.evaluate(value, scope),
          ]),
        );
      case "MemberExpression":
        return this.#member(node, scope);
      case "CallExpression":
        return this.#call(node, scope);
      case "UnaryExpression":
        return this.#unary(node, scope);
      case "BinaryExpression":
        return this.#binary(node, scope);
      case "FilterExpression":
        return this.#filter(this.evaluate(node.operand, scope), node.filter, scope);
      case "TestExpression": {
        const operand = this.evaluate(node.operand, scope);
        const name = node.test.type === "Identifier" ? node.test.value : "";
        return this.#test(name, operand, []) !== node.negate;
      }
      case "SelectExpression":
        return isTrue(this.evaluate(node.test, scope)) ? this.evaluate(node.lhs, scope) : undefined;
      case "Ternary":
        return this.evaluate(
          isTrue(this.evaluate(node.condition, scope)) ? node.trueExpr : node.falseExpr,
          scope,
        );
      default:
        throw new TemplateError(`an expression of the kind ${node.type} is not read here`);
    }
  }

  #seen(node: Node): void {
    const line = this.#template.lineOf.get(node);
    if (line !== undefined) this.#line = line;
  }

  #name(node: Node & { type: "Identifier" }, scope: Scope): Value {
    this.#seen(node);
    switch (node.value) {
      case "true":
      case "True":
        return true;
      case "false":
      case "False":
        return false;
      case "none":
      case "None":
        return null;
      default:
        return scope.get(node.value);
    }
  }

  #member(node: Node & { type: "MemberExpression" }, scope: Scope): Value {
    const object = this.evaluate(node.object, scope);
    const { property } = node;
    if (!node.computed) {
      this.#seen(property);
      const name = property.type === "Identifier" ? property.value : null;
      if (name !== null) return memberOf(object, name, this.#textOf(node.object));
    }
    if (property.type === "SliceExpression") {
      const [start, stop, step] = [property.start, property.stop, property.step].map((part) =>
        part === undefined ? null : numberOf(this.evaluate(part, scope)),
      );
      return sliceOf(object, start ?? null, stop ?? null, step ?? null);
    }
    return itemOf(object, this.evaluate(property, scope), this.#textOf(node.object));
  }

  #call(node: Node & { type: "CallExpression" }, scope: Scope): Value {
    const callee = this.evaluate(node.callee, scope);
    const call = this.#arguments(node.args, scope, null);
    this.#seen(node.callee.type === "MemberExpression" ? node.callee.property : node.callee);
    return called(callee, call, this.#textOf(node.callee));
  }

  #callBlock(node: Node & { type: "CallStatement" }, scope: Scope): Value {
    if (node.call.type !== "CallExpression") throw new TemplateError("a call block calls a macro");
    const { callee, args } = node.call;
    const parameters = node.callerArgs ?? [];
    const caller = new Callable("caller", (call) =>
      this.block(node.body, this.#bound("caller", parameters, node.body, call, scope)),
    );
    const name = callee.type === "Identifier" ? callee.value : "";
    this.#seen(callee);
    const [first = "", ...rest] = name.split(".");
    let macro = scope.get(first);
    for (const part of rest) macro = memberOf(macro, part, first);
    return called(macro, this.#arguments(args, scope, caller), name);
  }

  #arguments(args: readonly Node[], scope: Scope, caller: Callable | null): Call {
    const positional: Value[] = [];
    const named = new Map<string, Value>();
    for (const arg of args) {
      if (arg.type === "KeywordArgumentExpression") {
        named.set(arg.key.value, this.evaluate(arg.value, scope));
      } else if (arg.type === "SpreadExpression") {
        positional.push(...itemsOf(this.evaluate(arg.argument, scope)));
      } else if (arg.type === "KeywordSpreadExpression") {
        const given = this.evaluate(arg.argument, scope);
        if (!isDict(given))
          throw new TemplateError(`** takes a dictionary, not ${typeName(given)}`);
        for (const [key, value] of given) named.set(String(key), value);
      } else positional.push(this.evaluate(arg, scope));
    }
    return { positional, named, caller };
  }

  /** The scope of a macro's body. */
  #bound(
    name: string,
    parameters: readonly Node[],
    body: readonly Node[],
    { positional, named, caller }: Call,
    around: Scope,
  ): Scope {
    const scope = new Scope(around);
    const left = new Map(named);
    const defaults: [string, Node][] = [];
    const names: string[] = [];
    for (const [index, parameter] of parameters.entries()) {
      const key = parameter.type === "KeywordArgumentExpression" ? parameter.key : parameter;
      if (key.type !== "Identifier") continue;
      names.push(key.value);
      if (index < positional.length) scope.set(key.value, positional[index]);
      else if (left.has(key.value)) scope.set(key.value, left.get(key.value));
      else if (parameter.type === "KeywordArgumentExpression") {
        defaults.push([key.value, parameter.value]);
      } else scope.set(key.value, undefined);
      left.delete(key.value);
    }
    const extra = positional.slice(parameters.length);
    const listed = `its parameters: ${names.join(", ") || "none"}`;
    if (extra.length > 0 && !mentions(body, "varargs")) {
      const told = `${name}() takes ${parameters.length} arguments, got ${positional.length}`;
      throw new TemplateError(told, listed);
    }
    const [stranger] = left.keys();
    if (stranger !== undefined && !mentions(body, "kwargs")) {
      throw new TemplateError(`${name}() has no parameter "${stranger}"`, listed);
    }
    scope.set("varargs", Tuple.of2(extra));
    scope.set("kwargs", new Map(left));
    if (caller !== null) scope.set("caller", caller);
    for (const [key, node] of defaults) scope.set(key, this.evaluate(node, scope));
    return scope;
  }

  #set(node: Node & { type: "Set" }, scope: Scope): void {
    const { assignee } = node;
    const value =
      node.value === null ? this.block(node.body, scope) : this.evaluate(node.value, scope);
    if (assignee.type === "MemberExpression") {
      const object = this.evaluate(assignee.object, scope);
      const name = assignee.property.type === "Identifier" ? assignee.property.value : "";
      if (!isThing(object) || object.assign === undefined) {
        const hint = "only a namespace() has attributes that are set; a dictionary has update()";
        throw new TemplateError(`${typeName(object)} has no attributes that are set`, hint);
      }
      object.assign(name, value);
    } else assign(assignee, value, scope);
  }

  #loop(node: Node & { type: "For" }, scope: Scope): Value {
    const isFiltered = node.iterable.type === "SelectExpression";
    const over = node.iterable.type === "SelectExpression" ? node.iterable.lhs : node.iterable;
    let items = itemsOf(this.evaluate(over, scope));
    if (isFiltered && node.iterable.type === "SelectExpression") {
      const { test } = node.iterable;
      items = items.filter((item) => {
        const inner = new Scope(scope);
        assign(node.loopvar, item, inner);
        return isTrue(this.evaluate(test, inner));
      });
    }
    if (items.length === 0) return this.block(node.defaultBlock, new Scope(scope));
    let text = "";
    for (const [index, item] of items.entries()) {
      turns += 1;
      if (turns > TURNS_MAX) throw new TemplateError("loops of a template have no end");
      const inner = new Scope(scope);
      inner.set("loop", loopOf(items, index));
      assign(node.loopvar, item, inner);
      try {
        text += this.block(node.body, inner);
      } catch (thrown) {
        if (thrown instanceof Continued) continue;
        if (thrown instanceof Broken) break;
        throw thrown;
      }
    }
    return text;
  }

  #unary(node: Node & { type: "UnaryExpression" }, scope: Scope): Value {
    const value = this.evaluate(node.argument, scope);
    return node.operator.value === "not" ? !isTrue(value) : binary(node.operator.value, 0, value);
  }

  #binary(node: Node & { type: "BinaryExpression" }, scope: Scope): Value {
    const operator = node.operator.value;
    const left = this.evaluate(node.left, scope);
    if (operator === "and") return isTrue(left) ? this.evaluate(node.right, scope) : left;
    if (operator === "or") return isTrue(left) ? left : this.evaluate(node.right, scope);
    return binary(operator, left, this.evaluate(node.right, scope));
  }

  #filter(operand: Value, filter: Node, scope: Scope): Value {
    const callee = filter.type === "CallExpression" ? filter.callee : filter;
    this.#seen(callee);
    const name = callee.type === "Identifier" ? callee.value : "";
    const args = filter.type === "CallExpression" ? filter.args : [];
    const call = this.#arguments(args, scope, null);
    const test = /^is(_not)?\.(\w+)$/.exec(name);
    if (test !== null) {
      return this.#test(test[2] ?? "", operand, call.positional) !== (test[1] !== undefined);
    }
    const found = FILTERS[name];
    if (found !== undefined) {
      const applyTest = (test: string, value: Value, given: readonly Value[]) =>
        this.#test(test, value, given);
      return found(operand, call, applyTest);
    }
    // What Jinja has and this has not is left out; what nobody has is wrong.
    const near = nearestWord(name, Object.keys(FILTERS));
    const hint =
      near === null ? "write it with the filters and methods there are" : `did you mean "${near}"?`;
    throw new TemplateError(`there is no filter "${name}"`, hint, OTHER_FILTERS.has(name));
  }

  #test(name: string, operand: Value, given: readonly Value[]): boolean {
    const found = TESTS[name];
    if (found !== undefined) return found(operand, given);
    throw new TemplateError(`there is no test "is ${name}"`, "", true);
  }

  #textOf(node: Node): string {
    if (node.type === "Identifier") return node.value;
    if (node.type !== "MemberExpression" || node.computed) return "";
    const before = this.#textOf(node.object);
    return node.property.type === "Identifier" && before !== ""
      ? `${before}.${node.property.value}`
      : "";
  }
}

const OTHER_FILTERS = new Set(
  "filesizeformat forceescape pprint random striptags urlencode urlize wordwrap xmlattr".split(" "),
);

export function called(callee: Value, call: Call, name: string): Value {
  if (callee instanceof Callable) return callee.call(call);
  if (isThing(callee) && callee.call !== undefined) return callee.call(call);
  if (callee === undefined) {
    const hint = "a macro that is called lies in macro-paths, or in a package below dbt_packages/";
    throw new TemplateError(`there is no macro or function ${name || "of this name"}`, hint);
  }
  throw new TemplateError(`${name || "it"} is ${typeName(callee)}, and cannot be called`);
}

function memberOf(object: Value, name: string, text: string): Value {
  if (isThing(object)) return object.attribute(name);
  if (isDict(object) && object.has(name) && methodOf(object, name) === undefined) {
    return object.get(name);
  }
  if (object === undefined) {
    const what = text === "" ? "an undefined value" : `${text}, which is not defined,`;
    const hint = "where it is a package: run dbt deps, so that it lies in dbt_packages/";
    throw new TemplateError(
      `${what} has no attribute ${name}`,
      text === "" || text.includes(".") ? "" : hint,
    );
  }
  return methodOf(object, name) ?? (isDict(object) ? object.get(name) : undefined);
}

function itemOf(object: Value, key: Value, text: string): Value {
  if (isDict(object)) return object.get(keyOf(key));
  if (isThing(object)) return object.attribute(toText(key));
  const index = numberOf(key);
  if (index !== null && (isList(object) || typeof object === "string")) return object.at(index);
  if (typeof key === "string") return memberOf(object, key, text);
  throw new TemplateError(`${typeName(object)} has no items by ${typeName(key)}`);
}

function assign(target: Node, value: Value, scope: Scope): void {
  if (target.type === "Identifier") {
    scope.set(target.value, value);
    return;
  }
  if (target.type !== "TupleLiteral") throw new TemplateError("what is set is a name");
  const values = itemsOf(value);
  if (values.length !== target.value.length) {
    throw new TemplateError(`${target.value.length} names for ${values.length} values`);
  }
  for (const [index, one] of target.value.entries()) assign(one, values[index], scope);
}

function loopOf(items: readonly Value[], index: number): Dict {
  const cycle = new Callable("cycle", ({ positional }) => positional[index % positional.length]);
  return dict({
    index: index + 1,
    index0: index,
    revindex: items.length - index,
    revindex0: items.length - index - 1,
    first: index === 0,
    last: index === items.length - 1,
    length: items.length,
    previtem: items[index - 1],
    nextitem: items[index + 1],
    cycle,
  });
}

/** A namespace(): attributes that are set from within loops. */
export class Namespace implements Thing {
  readonly thing = "namespace";
  readonly #values: Dict;

  constructor(values: Dict) {
    this.#values = values;
  }

  attribute(name: string): Value {
    return this.#values.get(name);
  }

  assign(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  text(): string {
    return "<Namespace>";
  }
}

const MENTIONED = new WeakMap<object, Set<string>>();

/** Whether a body has a name anywhere. */
function mentions(body: readonly Node[], name: string): boolean {
  let names = MENTIONED.get(body);
  if (names === undefined) {
    names = new Set<string>();
    collect(body, names);
    MENTIONED.set(body, names);
  }
  return names.has(name);
}

function collect(node: unknown, names: Set<string>): void {
  if (Array.isArray(node)) for (const item of node) collect(item, names);
  else if (node instanceof Map) for (const entry of node) collect(entry, names);
  else if (typeof node === "object" && node !== null) {
    if ("type" in node && node.type === "Identifier" && "value" in node) {
      names.add(String(node.value));
    } else for (const child of Object.values(node)) collect(child, names);
  }
}

function isControl(thrown: unknown): boolean {
  return thrown instanceof Returned || thrown instanceof Broken || thrown instanceof Continued;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Names that all templates of dbt have, whatever node they are of. */

import { LakeError } from "../../../core/base/errors.ts";
import { parseYaml } from "../yaml.ts";
import { Namespace } from "./jinja/evaluate.ts";
import { jsonText } from "./jinja/filters.ts";
import { distinct, putPair } from "./jinja/methods.ts";
import {
  bound,
  Callable,
  callable,
  type Dict,
  dict,
  isDict,
  itemsOf,
  numberOf,
  plainFrom,
  TemplateError,
  type Thing,
  Tuple,
  toText,
  unsupported,
  type Value,
  valueFrom,
} from "./jinja/values.ts";
import { MODULES } from "./modules.ts";
import { Column, DATABASE, Relation } from "./relation.ts";

export interface GlobalFacts {
  readonly projectName: string;
  readonly target: Dict;
  readonly startedMs: number;
  readonly onMessage: (message: string) => void;
}

/** Undefined for what is no such name. */
export function globalName(name: string, facts: GlobalFacts): Value {
  if (Object.hasOwn(FUNCTIONS, name)) return FUNCTIONS[name];
  switch (name) {
    case "target":
      return facts.target;
    case "project_name":
      return facts.projectName;
    case "schema":
      return facts.target.get("schema");
    case "database":
      return DATABASE;
    case "dbt_version":
      return "1.10.0";
    case "invocation_id":
      return "00000000-0000-0000-0000-000000000000";
    case "run_started_at":
      return MODULES.dateTime(facts.startedMs);
    case "modules":
      return MODULES.things(facts.startedMs);
    case "exceptions":
      return thing("exceptions", (inner) => exceptions(inner, facts));
    case "log":
      return callable("log", ["msg", "info"], (message) => {
        facts.onMessage(toText(message));
        return "";
      });
    case "print":
      return callable("print", ["msg"], (message) => {
        facts.onMessage(toText(message));
        return "";
      });
    default:
      return undefined;
  }
}

function thing(name: string, attribute: (name: string) => Value): Thing {
  return { thing: name, attribute, text: () => name };
}

/** What asks the database while a template is read. */
function asks(name: string): Callable {
  return new Callable(name, () => {
    throw unsupported(
      `${name}() asks the database while a template is read`,
      "say what it would answer, as a list or a variable, or put the query into the model",
    );
  });
}

const FUNCTIONS: Readonly<Record<string, Value>> = {
  namespace: new Callable("namespace", ({ positional, named }) => {
    const [first] = positional;
    return new Namespace(new Map([...(isDict(first) ? first : []), ...named]));
  }),
  range: new Callable("range", ({ positional }) => {
    const [one = 0, two, three = 1] = positional.map((value) => numberOf(value) ?? 0);
    const [start, stop] = two === undefined ? [0, one] : [one, two];
    const values: number[] = [];
    if (three === 0) throw new TemplateError("range() with a step of 0");
    for (let at = start; three > 0 ? at < stop : at > stop; at += three) values.push(at);
    return values;
  }),
  dict: new Callable("dict", ({ positional, named }) => {
    const map: Dict = new Map();
    const [first] = positional;
    if (isDict(first)) for (const [key, value] of first) map.set(key, value);
    else if (first !== undefined) for (const pair of itemsOf(first)) putPair(map, pair);
    for (const [key, value] of named) map.set(key, value);
    return map;
  }),
  set: callable("set", ["value", "default"], (value) => distinct(itemsOf(value))),
  set_strict: callable("set_strict", ["value"], (value) => distinct(itemsOf(value))),
  zip: new Callable("zip", ({ positional }) => zipped(positional)),
  zip_strict: new Callable("zip_strict", ({ positional }) => zipped(positional)),
  tojson: callable("tojson", ["value", "default", "sort_keys"], (value) => jsonText(value)),
  fromjson: callable("fromjson", ["string", "default"], (text, otherwise) => {
    try {
      return valueFrom(JSON.parse(toText(text)));
    } catch {
      return otherwise ?? null;
    }
  }),
  toyaml: callable("toyaml", ["value", "default"], (value) => JSON.stringify(plainFrom(value))),
  fromyaml: callable("fromyaml", ["value", "default"], (text, otherwise) => {
    const { data, problems } = parseYaml(toText(text));
    return problems.length > 0 ? (otherwise ?? null) : valueFrom(data);
  }),
  local_md5: callable("local_md5", ["value"], (text) =>
    new Bun.CryptoHasher("md5").update(toText(text)).digest("hex"),
  ),
  run_query: asks("run_query"),
  statement: asks("statement"),
  load_result: asks("load_result"),
  store_result: asks("store_result"),
  load_relation: callable("load_relation", ["relation"], (relation) => relation),
  load_cached_relation: callable("load_cached_relation", ["relation"], (relation) => relation),
  is_list: callable("is_list", ["value"], (value) => Array.isArray(value)),
  get_columns_in_relation: new Callable("get_columns_in_relation", () => {
    const hint = "write adapter.get_columns_in_relation(…)";
    throw unsupported("get_columns_in_relation() is dbt's own", hint);
  }),
  flags: thing("flags", (name) => {
    if (name === "WHICH") return "build";
    return name === "FULL_REFRESH" ? false : null;
  }),
  graph: thing("graph", (name) => {
    throw unsupported(`graph.${name}: a template looks at the project itself`, "say what it finds");
  }),
  api: thing("api", (name) => {
    if (name === "Relation") return thing("api.Relation", relationClass);
    return name === "Column" ? thing("api.Column", columnClass) : undefined;
  }),
  selected_resources: [],
  invocation_args_dict: dict({}),
  dbt_metadata_envs: dict({}),
  thread_id: "main",
  validation: thing("validation", () => thing("any", () => callable("any", ["value"], () => ""))),
};

function relationClass(name: string): Value {
  if (name !== "create") return undefined;
  return new Callable("create", (call) => {
    const parameters = ["database", "schema", "identifier", "type"];
    const [, schema, identifier] = bound("create", parameters, call);
    const isBare = schema === undefined || schema === null;
    return new Relation(isBare ? null : toText(schema), toText(identifier));
  });
}

function columnClass(name: string): Value {
  if (name === "translate_type") return callable(name, ["dtype"], (type) => toText(type));
  return name === "create"
    ? callable(name, ["name", "dtype"], (column, type) => new Column(toText(column), toText(type)))
    : undefined;
}

function zipped(lists: readonly Value[]): Value {
  const rows = lists.map(itemsOf);
  const shortest = Math.min(...rows.map((row) => row.length));
  return Array.from({ length: rows.length === 0 ? 0 : shortest }, (_, index) =>
    Tuple.of2(rows.map((row) => row[index])),
  );
}

function exceptions(name: string, { onMessage }: GlobalFacts): Value {
  if (name === "warn") {
    return callable("warn", ["msg"], (message) => {
      onMessage(toText(message));
      return "";
    });
  }
  return new Callable(name, ({ positional }) => {
    throw new TemplateError(toText(positional[0]).trim() || `exceptions.${name}`);
  });
}

export { LakeError };

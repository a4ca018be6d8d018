/** dbt's macros that hide what engines spell differently, for the engine that there is. */

import { quoteLiteral } from "../../../sql/syntax/quote.ts";
import {
  bound,
  Callable,
  isList,
  isTrue,
  itemsOf,
  TemplateError,
  toText,
  unsupported,
  type Value,
} from "./jinja/values.ts";

type Texts = (...values: string[]) => string;

/** Each with its parameters; those that are not given are empty. */
const MACROS: Readonly<Record<string, readonly [readonly string[], Texts]>> = {
  date_trunc: [["datepart", "date"], (part, date) => `date_trunc(${literal(part)}, ${date})`],
  dateadd: [["datepart", "interval", "from_date_or_timestamp"], dateAdd],
  datediff: [["first_date", "second_date", "datepart"], dateDiff],
  date: [["year", "month", "day"], (year, month, day) => `make_date(${year}, ${month}, ${day})`],
  last_day: [["date", "datepart"], lastDay],
  current_timestamp: [[], () => "now()"],
  current_timestamp_backcompat: [[], () => "now()::timestamp"],
  current_timestamp_in_utc_backcompat: [[], () => "now()"],
  snapshot_get_time: [[], () => "now()::timestamp"],
  hash: [["field"], (field) => `md5(cast(${field} as varchar))`],
  length: [["expression"], (text) => `length(${text})`],
  position: [["substring_text", "string_text"], (part, text) => `position(${part} in ${text})`],
  replace: [
    ["field", "old_chars", "new_chars"],
    (field, before, after) => `replace(${field}, ${before}, ${after})`,
  ],
  right: [["string_text", "length_expression"], (text, length) => `right(${text}, ${length})`],
  split_part: [
    ["string_text", "delimiter_text", "part_number"],
    (text, by, part) => `string_split(${text}, ${by})[ ${part} ]`,
  ],
  safe_cast: [["field", "type"], (field, type) => `try_cast(${field} as ${type})`],
  cast: [["field", "type"], (field, type) => `cast(${field} as ${type})`],
  cast_bool_to_text: [["field"], (field) => `cast(${field} as varchar)`],
  any_value: [["expression"], (field) => `any_value(${field})`],
  bool_or: [["expression"], (field) => `bool_or(${field})`],
  string_literal: [["value"], (value) => literal(value)],
  escape_single_quotes: [["expression"], (text) => text.replaceAll("'", "''")],
  except: [[], () => "except"],
  intersect: [[], () => "intersect"],
  type_string: [[], () => "varchar"],
  type_timestamp: [[], () => "timestamp"],
  type_float: [[], () => "float"],
  type_numeric: [[], () => "numeric(28,6)"],
  type_bigint: [[], () => "bigint"],
  type_int: [[], () => "int"],
  type_boolean: [[], () => "boolean"],
  array_append: [["array", "new_element"], (array, one) => `array_append(${array}, ${one})`],
  array_concat: [["array_1", "array_2"], (one, two) => `array_concat(${one}, ${two})`],
  equals: [["expr1", "expr2"], (one, two) => `(${one} is not distinct from ${two})`],
  get_true_sql: [[], () => "TRUE"],
  generate_series: [
    ["upper_bound"],
    (upper) =>
      `select generate_series as generated_number from generate_series(1, ${upper}) as dbt_series(generate_series)`,
  ],
  date_spine: [["datepart", "start_date", "end_date"], dateSpine],
};

/** Macros whose arguments are more than texts. */
const OTHERS: Readonly<Record<string, Callable>> = {
  concat: new Callable("concat", (call) => {
    const [fields] = bound("concat", ["fields"], call);
    return itemsOf(fields).map(toText).join(" || ");
  }),
  array_construct: new Callable("array_construct", (call) => {
    const [inputs] = bound("array_construct", ["inputs", "data_type"], call);
    return `array[ ${itemsOf(inputs ?? [])
      .map(toText)
      .join(" , ")} ]`;
  }),
  listagg: new Callable("listagg", (call) => {
    const parameters = ["measure", "delimiter_text", "order_by_clause", "limit_num"];
    const [measure, by, order, limit] = bound("listagg", parameters, call);
    const sorted = isTrue(order) ? ` ${toText(order)}` : "";
    const delimiter = by === undefined ? "','" : toText(by);
    if (!isTrue(limit)) return `string_agg(${toText(measure)}, ${delimiter}${sorted})`;
    const first = `(array_agg(${toText(measure)}${sorted}))[1:${toText(limit)}]`;
    return `list_aggr(${first}, 'string_agg', ${delimiter})`;
  }),
  get_intervals_between: new Callable("get_intervals_between", () => {
    throw unsupported(
      "get_intervals_between() asks the database while a template is read",
      "write dates as dates: date_spine() here makes its rows in SQL",
    );
  }),
};

/** Undefined where dbt has no such macro, or this one is not there for the engine. */
export function crossDatabase(name: string): Callable | undefined {
  if (Object.hasOwn(OTHERS, name)) return OTHERS[name];
  if (!Object.hasOwn(MACROS, name)) return undefined;
  const [parameters = [], body] = MACROS[name] ?? [];
  if (body === undefined) return undefined;
  return new Callable(name, (call) => {
    const values = bound(name, parameters, call);
    const given = parameters.map((_, index) => textOf(values[index]));
    return body(...given);
  });
}

function textOf(value: Value): string {
  if (isList(value)) throw new TemplateError("a list where a text is meant");
  return value === null ? "" : toText(value);
}

function literal(text: string): string {
  return quoteLiteral(text);
}

function dateAdd(datepart: string, interval: string, from: string): string {
  const part = datepart.toLowerCase();
  const [times, unit] =
    part === "quarter" ? [" * 3", "month"] : part === "week" ? [" * 7", "day"] : ["", part];
  const count =
    times === "" ? `cast(${interval} as bigint)` : `(cast(${interval} as bigint)${times})`;
  return `(${from} + ${count} * interval 1 ${unit})`;
}

function dateDiff(first: string, second: string, datepart: string): string {
  if (datepart.toLowerCase() !== "week") {
    return `(date_diff(${literal(datepart)}, ${first}::timestamp, ${second}::timestamp ))`;
  }
  const dow = (date: string): string => `date_part('dow', (${date})::timestamp)`;
  return (
    `(${dateDiff(first, second, "day")} // 7 + case when ${dow(first)} <= ${dow(second)} then ` +
    `case when ${first} <= ${second} then 0 else -1 end else ` +
    `case when ${first} <= ${second} then 1 else 0 end end)`
  );
}

function lastDay(date: string, datepart: string): string {
  const next =
    datepart === "quarter"
      ? dateAdd("month", "3", `date_trunc('quarter', ${date})`)
      : dateAdd(datepart, "1", `date_trunc(${literal(datepart)}, ${date})`);
  return `cast(${dateAdd("day", "-1", next)} as date)`;
}

/** Every period from the first on, before the last; without a look at the database while the template is read. */
function dateSpine(datepart: string, start: string, end: string): string {
  const unit = datepart.toLowerCase();
  const step = dateAdd(unit, "dbt_number.n", start);
  const count = dateDiff(start, end, unit);
  return (
    `select ${step} as date_${unit} from (select unnest(range(0, greatest(${count}, 0))) as n) ` +
    `as dbt_number where ${step} <= ${end}`
  );
}

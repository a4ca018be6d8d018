/** Relations and columns as templates see them. */

import { quoteIdentifier } from "../../../sql/syntax/quote.ts";
import { Callable, callable, type Thing, toText, type Value } from "./jinja/values.ts";

/** The database that names of dbt have in front, and a lake has not. */
export const DATABASE = "lake";

/** A table or view, which prints as SQL names it. */
export class Relation implements Thing {
  readonly thing = "relation";
  readonly schema: string | null;
  readonly identifier: string;
  readonly type: string;

  constructor(schema: string | null, identifier: string, type = "table") {
    this.schema = schema;
    this.identifier = identifier;
    this.type = type;
  }

  /** As the lake names it. */
  get name(): string {
    return this.schema === null ? this.identifier : `${this.schema}.${this.identifier}`;
  }

  attribute(name: string): Value {
    switch (name) {
      case "database":
        return DATABASE;
      case "schema":
        return this.schema;
      case "identifier":
      case "name":
      case "table":
        return this.identifier;
      case "type":
        return this.type;
      case "is_view":
        return this.type === "view";
      case "is_table":
        return this.type === "table";
      case "is_cte":
        return false;
      case "render":
        return callable("render", [], () => this.text());
      case "include":
        return new Callable("include", ({ named }) =>
          named.get("schema") === false ? new Relation(null, this.identifier, this.type) : this,
        );
      case "quote":
      case "without_identifier":
      case "incorporate":
        return new Callable(name, () => this);
      default:
        return undefined;
    }
  }

  text(): string {
    const parts = this.schema === null ? [this.identifier] : [this.schema, this.identifier];
    return parts.map(named).join(".");
  }
}

/** A column of a relation. */
export class Column implements Thing {
  readonly thing = "column";
  readonly column: string;
  readonly type: string;

  constructor(column: string, type: string) {
    this.column = column;
    this.type = type;
  }

  attribute(name: string): Value {
    const type = this.type.toLowerCase();
    switch (name) {
      case "name":
      case "column":
        return this.column;
      case "quoted":
        return quoteIdentifier(this.column);
      case "dtype":
      case "data_type":
        return this.type;
      case "is_string":
        return callable(name, [], () => /char|text|string/.test(type));
      case "is_number":
        return callable(name, [], () => NUMBER.test(type));
      case "is_integer":
        return callable(name, [], () => /int/.test(type));
      case "is_float":
        return callable(name, [], () => /double|float|real/.test(type));
      case "is_numeric":
        return callable(name, [], () => /decimal|numeric/.test(type));
      default:
        return undefined;
    }
  }

  text(): string {
    return `<Column ${this.column} (${this.type})>`;
  }
}

const NUMBER = /int|decimal|numeric|double|float|real/;

/** Plain names are easier to read without quotes. */
function named(part: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(part) && !RESERVED.has(part) ? part : quoteIdentifier(part);
}

const RESERVED = new Set(
  (
    "all and as asc case check default desc end from group having in into is join like limit not " +
    "null offset on or order select table then to union unique user using when where with"
  ).split(" "),
);

/** The part of a name that a value gives. */
export function relationFrom(value: Value): Relation | null {
  if (value instanceof Relation) return value;
  const text = toText(value);
  const [schema = "", identifier = ""] = text.split(".");
  return /^\w+\.\w+$/.test(text) ? new Relation(schema, identifier) : null;
}

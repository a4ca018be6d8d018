/**
 * A table as a client asks for it, as the updates that make it. Whatever ids the client chose, the table's own count
 * from one. Java: TableMetadata.newTableMetadata.
 */

import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  objectField,
  objectsField,
} from "../../core/base/json.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import { NO_SORT_ORDER } from "./metadata.ts";
import { LAST_ADDED, RESERVED_PROPERTIES } from "./metadata-update.ts";
import { parseTableCommit, type Update } from "./table-commit.ts";

export interface AskedTable {
  readonly uuid: string;
  readonly location: string;
  readonly schema: JsonObject;
  /** Null: not partitioned. */
  readonly spec: JsonObject | null;
  /** Null: not sorted. */
  readonly sortOrder: JsonObject | null;
  readonly properties: Readonly<Record<string, string>>;
}

/** What Java's catalogs write into each new table. Java: TableMetadata.persistedProperties. */
const DEFAULTS = { "write.parquet.compression-codec": "zstd" } as const;
const FORMAT_VERSION = "format-version";
const FORMAT_VERSION_DEFAULT = 2;

/** The updates that make the table. Throws `usage` for what cannot be one, `unsupported` for unknown types. */
export function newTableUpdates(asked: AskedTable): readonly Update[] {
  const { uuid, location, properties } = asked;
  const ids = new FreshIds();
  const schema = { ...ids.schema(asked.schema), "schema-id": 0 };
  const spec = specUnder(ids, asked.spec);
  const sortOrder = orderUnder(ids, asked.sortOrder);
  const own = Object.entries(properties).filter(([key]) => !RESERVED_PROPERTIES.has(key));
  // The same reader as of a commit's JSON, with the same words for what is wrong.
  return parseTableCommit({
    updates: [
      { action: "assign-uuid", uuid },
      { action: "upgrade-format-version", "format-version": versionOf(properties) },
      { action: "set-location", location },
      { action: "add-schema", schema },
      { action: "set-current-schema", "schema-id": LAST_ADDED },
      { action: "add-spec", spec },
      { action: "set-default-spec", "spec-id": LAST_ADDED },
      { action: "add-sort-order", "sort-order": sortOrder },
      { action: "set-default-sort-order", "sort-order-id": LAST_ADDED },
      { action: "set-properties", updates: { ...DEFAULTS, ...Object.fromEntries(own) } },
    ],
  }).updates;
}

function versionOf(properties: Readonly<Record<string, string>>): number {
  const text = properties[FORMAT_VERSION];
  if (text === undefined) return FORMAT_VERSION_DEFAULT;
  if (/^\d+$/.test(text)) return Number(text);
  throw new LakeError("usage", `${FORMAT_VERSION} is ${text}, and no number`);
}

/** Partition fields are numbered by the table; a source that is a list is one of format v3. */
function specUnder(ids: FreshIds, spec: JsonObject | null): JsonObject {
  if (spec === null) return { fields: [] };
  const fields = objectsField(spec, "fields").map(({ name, transform, ...field }) => ({
    name: name ?? null,
    transform: transform ?? null,
    ...ids.source(field),
  }));
  return { fields };
}

function orderUnder(ids: FreshIds, order: JsonObject | null): JsonObject {
  const fields = order === null ? [] : objectsField(order, "fields");
  if (fields.length === 0) return { "order-id": NO_SORT_ORDER.orderId, fields: [] };
  const own = fields.map((field) => ({ ...field, ...ids.source(field) }));
  return { "order-id": 1, fields: own };
}

/**
 * Ids from one on: first those of all fields of a struct, then what is inside of each, as Java gives them, so that a
 * client which asks for ids in this order keeps them. Java: AssignFreshIds.
 */
class FreshIds {
  #last = 0;
  readonly #freshById = new Map<number, number>();

  schema(schema: JsonObject): JsonObject {
    const fresh = { ...schema, ...this.#struct(schema, 0) };
    const identifiers = schema["identifier-field-ids"];
    if (!Array.isArray(identifiers)) return fresh;
    const own = identifiers.map((id: Json) => this.#of(id, "identifier-field-ids"));
    return { ...fresh, "identifier-field-ids": own };
  }

  /** The source of a partition or of an order. */
  source(field: JsonObject): JsonObject {
    const list = field["source-ids"];
    const id = field["source-id"] ?? (Array.isArray(list) ? list[0] : undefined);
    return { "source-id": this.#of(id ?? null, "source-id") };
  }

  #of(id: Json, where: string): number {
    const fresh = typeof id === "number" ? this.#freshById.get(id) : undefined;
    if (fresh !== undefined) return fresh;
    throw new LakeError("usage", `${where}: the schema has no field ${JSON.stringify(id)}`);
  }

  #next(id: Json | undefined): number {
    const fresh = ++this.#last;
    if (typeof id !== "number" || this.#freshById.has(id)) {
      throw new LakeError(
        "usage",
        `the schema has a field without an id of its own: ${String(id)}`,
      );
    }
    this.#freshById.set(id, fresh);
    return fresh;
  }

  #struct(struct: JsonObject, depth: number): JsonObject {
    const numbered = objectsField(struct, "fields").map((field) => ({
      ...field,
      id: this.#next(field.id),
    }));
    return {
      fields: numbered.map((field: JsonObject) => ({
        ...field,
        type: this.#type(field.type ?? null, depth + 1),
      })),
    };
  }

  #type(type: Json, depth: number): Json {
    if (!isJsonObject(type)) return type;
    if (depth > TYPE_DEPTH_MAX) {
      throw new LakeError("usage", `the schema nests deeper than ${TYPE_DEPTH_MAX} levels`);
    }
    if (type.type === "struct") return { ...type, ...this.#struct(type, depth) };
    if (type.type === "list") {
      const id = this.#next(type["element-id"]);
      return { ...type, "element-id": id, element: this.#type(type.element ?? null, depth + 1) };
    }
    if (type.type !== "map") return type;
    const key = this.#next(type["key-id"]);
    const value = this.#next(type["value-id"]);
    return {
      ...type,
      "key-id": key,
      "value-id": value,
      key: this.#type(type.key ?? null, depth + 1),
      value: this.#type(type.value ?? null, depth + 1),
    };
  }
}

/** What a request asks for, but for what the catalog decides. Throws `corrupt`. */
export function parseAskedTable(
  json: JsonObject,
): Pick<AskedTable, "schema" | "spec" | "sortOrder"> {
  const optional = (key: string): JsonObject | null =>
    json[key] === undefined || json[key] === null ? null : objectField(json, key);
  return {
    schema: objectField(json, "schema"),
    spec: optional("partition-spec"),
    sortOrder: optional("write-order"),
  };
}

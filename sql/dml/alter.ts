/** ALTER TABLE and COMMENT ON: columns go by their ids, and no file is written again. Iceberg, "Schema Evolution". */

import { LakeError } from "../../core/base/errors.ts";
import { freshSchema, highestId } from "../../core/table/evolution.ts";
import { nextSpec } from "../../core/table/partition.ts";
import { isPromotion, sameType, typeToText } from "../../core/table/type-text.ts";
import type { Field, Type } from "../../core/table/types.ts";
import { unsupported } from "../query/error.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { checkColumns, declared, shifted } from "./create.ts";
import type { ChangeKind } from "./lake-writer.ts";
import type { PendingTable } from "./pending.ts";
import {
  constantOf,
  propertiesOf,
  propertyNames,
  setProperties,
  sortOrderOf,
} from "./properties.ts";
import type { ChangeContext } from "./rows.ts";
import type { Alteration, TableStatement } from "./table-statement.ts";

type Alter = Extract<TableStatement, { kind: "alter" }>;
type Comment = Extract<TableStatement, { kind: "comment" }>;

/** Changes a table's columns, properties, partitions or order. */
export async function alter(context: ChangeContext, statement: Alter): Promise<void> {
  const { target, isOptional, change } = statement;
  const kind = KINDS[change.kind] ?? "schema";
  const { pending } = context;
  const table = isOptional
    ? await pending.find(target.parts, kind, "ALTER of")
    : await pending.open(target.parts, kind, "ALTER of");
  if (table === null) return;
  await altered(context, table, change);
}

const KINDS: Readonly<Partial<Record<Alteration["kind"], ChangeKind>>> = {
  set: "properties",
  reset: "properties",
  sort: "properties",
};

async function altered(
  { db }: ChangeContext,
  table: PendingTable,
  change: Alteration,
): Promise<void> {
  switch (change.kind) {
    case "add": {
      const { path, type, isOptional } = change;
      const name = path.at(-1) ?? "";
      const { columns } = await declared(db, `(${quoteIdentifier(name)} ${type})`);
      return edit(table, path.slice(0, -1), (fields) => added(table, fields, columns, isOptional));
    }
    case "drop":
      return edit(table, change.path.slice(0, -1), (fields) => dropped(table, fields, change));
    case "rename":
      return edit(table, change.path.slice(0, -1), (fields) => renamed(table, fields, change));
    case "type": {
      const name = change.path.at(-1) ?? "";
      const { columns } = await declared(db, `(${quoteIdentifier(name)} ${change.type})`);
      const [column] = columns;
      if (column === undefined) return;
      return each(table, change.path, (field) => ({
        ...field,
        type: promoted(table, field, column.type),
      }));
    }
    case "optional":
      return each(table, change.path, (field) =>
        field.required ? { ...field, required: false } : field,
      );
    case "set":
      return setProperties(table, await propertiesOf(db, change.properties));
    case "reset": {
      const names = propertyNames(change.properties);
      return table.setProperties(Object.fromEntries(names.map((name) => [name, null])));
    }
    case "partition":
      return partition(table, change.by);
    case "sort":
      return table.setSortOrder(sortOrderOf(change.by, table.schema));
    case "rename-table":
      // It is a commit of its own, and none of what a transaction has.
      return;
  }
}

/** Says what a table or a column is, for people; NULL takes it out. */
export async function comment(
  { db, pending }: ChangeContext,
  { parts, isColumn, sql }: Comment,
): Promise<void> {
  const text = await constantOf(db, sql);
  if (!isColumn) {
    const table = await pending.open(parts, "comment", "COMMENT on");
    return table.setProperties({ comment: text });
  }
  // `gold.daily.address.city`: the longest beginning that is a table.
  for (let length = parts.length - 1; length > 0; length--) {
    const table = await pending.find(parts.slice(0, length), "comment", "COMMENT on");
    if (table === null) continue;
    return each(table, parts.slice(length), ({ doc: _, ...field }) =>
      text === null ? field : { ...field, doc: text },
    );
  }
  throw new LakeError("not-found", `there is no table that "${parts.join(".")}" is a column of`, {
    hint: "comment on column gold.daily.amount is '…'",
  });
}

type Edit = (fields: readonly Field[]) => readonly Field[];

/** Changes the fields of the table, or of the struct at a path. */
function edit(table: PendingTable, path: readonly string[], change: Edit): void {
  const fields = editedAt(table, table.schema.fields, path, change);
  if (fields === table.schema.fields) return;
  const schema = { ...table.schema, fields };
  table.setSchema(schema, highestId(schema));
}

/** Changes one field. */
function each(table: PendingTable, path: readonly string[], change: (field: Field) => Field): void {
  const name = path.at(-1) ?? "";
  edit(table, path.slice(0, -1), (fields) => {
    const found = fieldAt(table, fields, name);
    const next = change(found);
    return next === found ? fields : fields.map((field) => (field === found ? next : field));
  });
}

function editedAt(
  table: PendingTable,
  fields: readonly Field[],
  path: readonly string[],
  change: Edit,
): readonly Field[] {
  const [name, ...rest] = path;
  if (name === undefined) return change(fields);
  const found = fieldAt(table, fields, name);
  const type = editedType(table, found, found.type, rest, change);
  if (type === found.type) return fields;
  return fields.map((field) => (field === found ? { ...field, type } : field));
}

/** Through lists and maps by the names that Iceberg has for their parts. */
function editedType(
  table: PendingTable,
  field: Field,
  type: Type,
  path: readonly string[],
  change: Edit,
): Type {
  const [name, ...rest] = path;
  if (type.kind === "struct") {
    const fields = editedAt(table, type.fields, path, change);
    return fields === type.fields ? type : { ...type, fields };
  }
  if (type.kind === "list") {
    const inner = name === "element" ? rest : path;
    const element = editedType(table, field, type.element, inner, change);
    return element === type.element ? type : { ...type, element };
  }
  if (type.kind === "map") {
    const inner = name === "value" ? rest : path;
    const value = editedType(table, field, type.value, inner, change);
    return value === type.value ? type : { ...type, value };
  }
  throw new LakeError(
    "sql",
    `${field.name} of ${table.name} has no fields: it is ${typeToText(type)}`,
  );
}

function fieldAt(table: PendingTable, fields: readonly Field[], name: string): Field {
  const found = fields.find((field) => field.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  throw new LakeError("sql", `${table.name} has no column ${name}`, {
    hint: `there are: ${fields.map((field) => field.name).join(", ")}`,
  });
}

function has(fields: readonly Field[], name: string): boolean {
  return fields.some((field) => field.name.toLowerCase() === name.toLowerCase());
}

function added(
  table: PendingTable,
  fields: readonly Field[],
  columns: Parameters<typeof freshSchema>[0],
  isOptional: boolean,
): readonly Field[] {
  const [column] = columns;
  if (column === undefined) return fields;
  if (has(fields, column.name)) {
    if (isOptional) return fields;
    throw twice(table, column.name);
  }
  const [field] = freshSchema([column], new Set()).fields;
  if (field === undefined) return fields;
  const last = table.lastColumnId;
  return [...fields, { ...field, id: field.id + last, type: shifted(field.type, last) }];
}

function dropped(
  table: PendingTable,
  fields: readonly Field[],
  { path, isOptional }: Extract<Alteration, { kind: "drop" }>,
): readonly Field[] {
  const name = path.at(-1) ?? "";
  if (isOptional && !has(fields, name)) return fields;
  const found = fieldAt(table, fields, name);
  if (fields.length === 1) {
    throw unsupported(`${name} is the last column there`, "to take out all of it: drop table t");
  }
  if (table.sortOrder.fields.some(({ sourceId }) => sourceId === found.id)) {
    throw new LakeError("schema", `${table.name} is sorted by ${name}`, {
      hint: "first: alter table t reset sorted by",
    });
  }
  if (table.spec.fields.some(({ sourceId }) => sourceId === found.id)) {
    throw new LakeError("schema", `${table.name} is partitioned by ${name}`, {
      hint: "first: alter table t reset partitioned by",
    });
  }
  return fields.filter((field) => field !== found);
}

function renamed(
  table: PendingTable,
  fields: readonly Field[],
  { path, to }: Extract<Alteration, { kind: "rename" }>,
): readonly Field[] {
  const found = fieldAt(table, fields, path.at(-1) ?? "");
  const others = fields.filter((field) => field !== found);
  if (has(others, to)) throw twice(table, to);
  checkColumns([{ name: to, type: found.type }]);
  return fields.map((field) => (field === found ? { ...field, name: to } : field));
}

function promoted(table: PendingTable, { name, type }: Field, to: Type): Type {
  if (sameType(type, to)) return type;
  if (isPromotion(type, to)) return to;
  throw new LakeError(
    "schema",
    `${name} of ${table.name} is ${typeToText(type)}, which cannot become ${typeToText(to)} in place`,
    {
      hint:
        "in place go int to long, float to double, decimal to more digits; else add a column, " +
        "update t set new = old::type, drop the old one and rename",
    },
  );
}

function partition(table: PendingTable, by: readonly string[]): void {
  if (table.unpublished.size > 0) {
    throw unsupported(
      "partitions cannot change behind rows that are not committed",
      "COMMIT first",
    );
  }
  table.setSpec(nextSpec(table.base?.specs ?? [], by, table.schema));
}

function twice(table: PendingTable, name: string): LakeError {
  return new LakeError("sql", `${table.name} has a column ${name} already`, {
    hint: "give it another name",
  });
}

/** `lake.models`: the models of the project, as their files say what they are. */

import type { Json } from "../../core/base/json.ts";
import type { Model } from "../../core/model/model.ts";
import { splitName } from "../../core/table/name.ts";
import type { Column } from "../../core/table/types.ts";
import type { SystemTable } from "../../sql/query/session-table.ts";
import type { Session } from "../open.ts";

export const MODEL_COLUMNS: readonly Column[] = [
  ...texts("table_schema", "table_name", "kind", "file", "owner", "description"),
  ...lists("grain", "tags", "key", "partition"),
  ...texts("contract", "model_hash"),
];

/** By name. */
export function modelFacts({ project }: Session): SystemTable {
  const models = [...project.models].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { columns: MODEL_COLUMNS, rows: models.map(rowOf) };
}

function rowOf(model: Model): Json[] {
  const { namespace, table } = splitName(model.name);
  const { kind, file, owner, description, grain, tags, key, partition, contract, hash } = model;
  const enforced = contract === null ? null : "enforced";
  const said = [namespace, table, kind, file, owner, description];
  return [...said, [...grain], [...tags], [...key], [...partition], enforced, hash];
}

function texts(...names: readonly string[]): readonly Column[] {
  return names.map((name) => ({ name, type: { kind: "primitive", name: "string" } }));
}

function lists(...names: readonly string[]): readonly Column[] {
  const element = { kind: "primitive", name: "string" } as const;
  const type = { kind: "list", elementId: 0, element, elementRequired: false } as const;
  return names.map((name) => ({ name, type }));
}

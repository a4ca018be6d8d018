/** A model's cursor: which version of it was built from which snapshots, as the fact stores it. */

import type { Json, JsonObject } from "../base/json.ts";
import { isJsonObject, parseJson, stringifyJson } from "../base/json.ts";
import { compareCodePoints } from "../base/order.ts";
import type { TableName } from "../table/types.ts";

/** Where a model stands: what it was built from, as the cursor fact stores it. */
export interface Cursor {
  readonly hash: string;
  readonly inputs: ReadonlyMap<
    TableName,
    { readonly uuid: string; readonly snapshotId: bigint | null }
  >;
}

export function cursorToText(cursor: Cursor): string {
  const inputs: Record<string, JsonObject> = {};
  for (const [name, input] of [...cursor.inputs].sort(([a], [b]) => compareCodePoints(a, b))) {
    inputs[name] = { uuid: input.uuid, "snapshot-id": input.snapshotId };
  }
  return stringifyJson({ hash: cursor.hash, inputs });
}

/** The cursor of a model; null when it never published, or when the fact is not readable. */
export function cursorFromText(text: string | null): Cursor | null {
  if (text === null) return null;
  const value = parsed(text);
  if (!isJsonObject(value) || !isJsonObject(value.inputs) || typeof value.hash !== "string") {
    return null;
  }
  const inputs = new Map<TableName, { uuid: string; snapshotId: bigint | null }>();
  for (const [name, input] of Object.entries(value.inputs)) {
    if (!isJsonObject(input) || typeof input.uuid !== "string") return null;
    const id = input["snapshot-id"];
    inputs.set(name, { uuid: input.uuid, snapshotId: typeof id === "bigint" ? id : null });
  }
  return { hash: value.hash, inputs };
}

function parsed(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

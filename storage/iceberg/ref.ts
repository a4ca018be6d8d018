/** Branches and tags: their JSON, and metadata with one set or removed. Iceberg spec, "Snapshot References". */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type JsonObject, stringifyJson } from "../../core/base/json.ts";
import type { TableMetadata } from "./metadata.ts";
import { longField, numberField } from "./metadata-json.ts";

/** A branch or a tag with its retention fields. */
export interface SnapshotRef {
  readonly kind: "branch" | "tag";
  readonly snapshotId: bigint;
  readonly minSnapshotsToKeep?: number;
  readonly maxSnapshotAgeMs?: number;
  readonly maxRefAgeMs?: number;
}

export const MAIN = "main";

/** Metadata in which `name` is `ref`. Throws `not-found` for a snapshot that the table has not. */
export function withRef(metadata: TableMetadata, name: string, ref: SnapshotRef): TableMetadata {
  if (!metadata.snapshots.some((snapshot) => snapshot.snapshotId === ref.snapshotId)) {
    throw new LakeError("not-found", `${name}: the table has no snapshot ${ref.snapshotId}`, {
      hint: "list the snapshots with: select * from lake.snapshots",
    });
  }
  const before = metadata.refs.get(name);
  if (before !== undefined && before.kind !== ref.kind) {
    throw new LakeError("usage", `${name} is a ${before.kind}, not a ${ref.kind}`, {
      hint: `remove the ${before.kind} first, or take another name`,
    });
  }
  if (name === MAIN && ref.snapshotId !== metadata.currentSnapshotId) {
    throw new LakeError("internal", "main moves by a commit, not as a reference");
  }
  return { ...metadata, refs: new Map([...metadata.refs, [name, ref]]) };
}

/** Metadata without the branch or tag; absent is fine. Throws `usage` for main. */
export function withoutRef(metadata: TableMetadata, name: string): TableMetadata {
  if (name === MAIN) {
    throw new LakeError("usage", "branch main cannot be removed", {
      hint: "drop the table instead",
    });
  }
  return { ...metadata, refs: new Map([...metadata.refs].filter(([key]) => key !== name)) };
}

/** Reads `refs`; a file without them has main at its current snapshot. */
export function parseRefs(
  json: JsonObject,
  currentSnapshotId: bigint | null,
): ReadonlyMap<string, SnapshotRef> {
  const refs = new Map<string, SnapshotRef>();
  const listed = json.refs;
  if (isJsonObject(listed)) {
    for (const [name, ref] of Object.entries(listed)) {
      if (isJsonObject(ref)) refs.set(name, parseRef(name, ref));
    }
  }
  if (currentSnapshotId !== null && !refs.has(MAIN)) {
    refs.set(MAIN, { kind: "branch", snapshotId: currentSnapshotId });
  }
  return refs;
}

/** `refs` as JSON text. */
export function refsText(refs: ReadonlyMap<string, SnapshotRef>): string {
  const entries = [...refs].map(([name, ref]): [string, JsonObject] => [
    name,
    {
      "snapshot-id": ref.snapshotId,
      type: ref.kind,
      ...optional("min-snapshots-to-keep", ref.minSnapshotsToKeep),
      ...optional("max-snapshot-age-ms", ref.maxSnapshotAgeMs),
      ...optional("max-ref-age-ms", ref.maxRefAgeMs),
    },
  ]);
  return stringifyJson(Object.fromEntries(entries));
}

function parseRef(name: string, json: JsonObject): SnapshotRef {
  const snapshotId = longField(json, "snapshot-id");
  const kind = json.type;
  if (snapshotId === null || (kind !== "branch" && kind !== "tag")) {
    throw new LakeError("corrupt", `reference ${name} is neither a branch nor a tag`);
  }
  const retention = (key: string): number | undefined =>
    json[key] === undefined || json[key] === null ? undefined : numberField(json, key);
  const minSnapshotsToKeep = retention("min-snapshots-to-keep");
  const maxSnapshotAgeMs = retention("max-snapshot-age-ms");
  const maxRefAgeMs = retention("max-ref-age-ms");
  return {
    kind,
    snapshotId,
    ...(minSnapshotsToKeep === undefined ? {} : { minSnapshotsToKeep }),
    ...(maxSnapshotAgeMs === undefined ? {} : { maxSnapshotAgeMs }),
    ...(maxRefAgeMs === undefined ? {} : { maxRefAgeMs }),
  };
}

function optional(key: string, value: number | undefined): JsonObject {
  return value === undefined ? {} : { [key]: value };
}

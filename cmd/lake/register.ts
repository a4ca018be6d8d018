/** Tables of other catalogs, taken into the lake with all of their past. */

import { LakeError } from "../../core/base/errors.ts";
import { liveRows } from "../../core/table/live.ts";
import type { TableName } from "../../core/table/types.ts";
import { type Adopted, adoptTable, findTable } from "../../storage/catalog/adopt-table.ts";
import { insideRoot, recordedLocation } from "../../storage/iceberg/recorded-files.ts";
import { systemRandom } from "../clock.ts";
import type { Session } from "../open.ts";

export interface StagedTable {
  readonly name: TableName;
  /** Recorded, in the lake. */
  readonly metadataLocation: string;
  /** Null where it lies in the warehouse and is taken as it is. */
  readonly adopted: Adopted | null;
}

/** Makes a table readable under the lake's root; nothing names it there yet. Throws `conflict` for one that is here. */
export async function stageTable(
  session: Session,
  request: { readonly name: string; readonly path: string; readonly copy: boolean },
): Promise<StagedTable> {
  const { nameOfNew } = await import("./write.ts");
  const { catalog, warehouse } = session;
  const name = await nameOfNew(session, request.name.split("."), "register");
  const found = await findTable(request.path);
  const { uuid } = found.metadata;
  const heads = await catalog.tables();
  const same = heads.find((head) => head.uuid === uuid);
  if (same !== undefined) {
    throw new LakeError("conflict", `this table is here already: ${same.name}`, {
      hint:
        `what it came to be elsewhere since: tarn drop ${same.name}, then register it again\n` +
        `another name: tarn sql -c "alter table ${same.name} rename to …"`,
    });
  }
  if (heads.some((head) => head.name === name)) {
    throw new LakeError("conflict", `there is a table ${name} already`, {
      hint: "take another name",
    });
  }
  const isInside =
    found.path.startsWith(`${warehouse}/`) &&
    insideRoot(found.metadata.location, warehouse) !== null;
  if (isInside) return { name, metadataLocation: recordedLocation(found.path), adopted: null };
  const { copy } = request;
  const adopted = await adoptTable({ root: warehouse, name, found, copy, random: systemRandom });
  return { name, metadataLocation: adopted.metadataLocation, adopted };
}

/** Names it. Throws `conflict` for a name or a table that came meanwhile. */
export async function registerOf(
  session: Session,
  { name, metadataLocation }: { readonly name: string; readonly metadataLocation: string },
): Promise<{ readonly rows: bigint | null; readonly snapshots: number; readonly version: number }> {
  const iceberg = await session.iceberg();
  const namespace = name.split(".").slice(0, -1);
  if (!(await iceberg.hasNamespace(namespace))) await iceberg.createNamespace(namespace, {});
  await iceberg.registerTable(name, metadataLocation, `${name} registered`);
  const table = await session.catalog.load(name);
  const rows = table?.current == null ? 0n : liveRows(table.current);
  const { length: snapshots } = table?.snapshots ?? [];
  return { rows, snapshots, version: table?.formatVersion ?? 2 };
}

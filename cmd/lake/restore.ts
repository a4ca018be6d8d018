/** A table set back to an older snapshot, as a new one; or brought back, when it was dropped. */

import { heldLate } from "../../core/model/closing-request.ts";
import { type Restored, restoreTable } from "../../core/table/restore.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { droppedTable } from "./drop.ts";
import { versionRef } from "./moments.ts";

/** The commit that brought it back; null for a table that is there. */
export async function undropOf(
  session: Session,
  table: string,
): Promise<{ readonly table: TableName; readonly commit: bigint } | null> {
  const dropped = await droppedTable(session, table);
  if (dropped === null) return null;
  return { table: dropped.name, commit: await session.catalog.undrop(dropped.commit) };
}

/**
 * Offsets never move: what landed since is withdrawn, and does not land again. Throws `unsupported` for rows that came
 * too late for a model.
 */
export async function restoreOf(
  session: Session,
  table: string,
  to: string,
): Promise<Restored & { readonly table: TableName }> {
  const name = await session.tableName(table);
  const late = heldLate(session.project.models, name, `${name} cannot be set back`);
  if (late !== null) throw late;
  const ref = await versionRef(session, await session.catalog.load(name), to);
  return { table: name, ...(await restoreTable(session.ports, name, ref)) };
}

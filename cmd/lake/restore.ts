/** A table set back to an older snapshot, as a new one. */

import { type Restored, restoreTable } from "../../core/table/restore.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { versionRef } from "./moments.ts";

/** Offsets never move: what landed since is withdrawn, and does not land again. */
export async function restoreOf(
  session: Session,
  table: string,
  to: string,
): Promise<Restored & { readonly table: TableName }> {
  const name = await session.tableName(table);
  const ref = await versionRef(session, await session.catalog.load(name), to);
  return { table: name, ...(await restoreTable(session.ports, name, ref)) };
}

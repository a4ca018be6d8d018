/** The tables and models that there are. */

import { compareCodePoints } from "../../core/base/order.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface Listed {
  readonly name: TableName;
  /** The kind of its model; `table` where rows land. */
  readonly kind: string;
  /** Null where nothing is built. */
  readonly rows: bigint | null;
  readonly updatedMs: number | null;
}

/** Tables of the lake, and models that have none yet, by name. */
export async function listingOf(session: Session): Promise<readonly Listed[]> {
  const kindByName = new Map<TableName, string>(
    session.project.models.map((model) => [model.name, model.kind]),
  );
  const listed: Listed[] = [];
  for (const { name } of await session.catalog.tables()) {
    const current = (await session.catalog.load(name))?.current ?? null;
    const total = current?.summary["total-records"];
    const rows = total === undefined ? null : BigInt(total);
    const kind = kindByName.get(name) ?? "table";
    listed.push({ name, kind, rows, updatedMs: current?.timestampMs ?? null });
    kindByName.delete(name);
  }
  for (const [name, kind] of kindByName) listed.push({ name, kind, rows: null, updatedMs: null });
  return listed.sort((a, b) => compareCodePoints(a.name, b.name));
}

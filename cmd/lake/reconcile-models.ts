/** Models of changes that hold a feed's rows as they are, against what the feed comes to. */

import { declaredTypeText } from "../../core/config/type-text.ts";
import { compareSides } from "../../core/ingest/compare.ts";
import { digestForm } from "../../core/ingest/digest-form.ts";
import { FEED, isFeedColumn } from "../../core/ingest/feed.ts";
import type { ComparedColumn, CountedTable } from "../../core/ingest/reconcile.ts";
import type { Reconciliation } from "../../core/ingest/reconciliation.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { Model } from "../../core/model/model.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { DeliveredRows } from "./delivered-rows.ts";

/** Of models that read one of the tables. */
export async function reconcileModels(
  session: Session,
  tables: ReadonlySet<TableName>,
): Promise<readonly Reconciliation[]> {
  const found: Reconciliation[] = [];
  const cursors = await session.catalog.facts("cursor");
  for (const model of session.project.models) {
    const input = feedOf(model, tables);
    const cursor = cursorFromText(cursors.get(model.name) ?? null);
    const place = input === null ? undefined : cursor?.inputs.get(input);
    if (input === null || place === undefined) continue;
    const feed = await session.catalog.load(input);
    const table = await session.catalog.load(model.name);
    const isHeld = cursor?.restored !== null || feed?.uuid !== place.uuid;
    const snapshotId = table?.current?.snapshotId ?? null;
    if (feed === null || table === null || isHeld || snapshotId === null) continue;
    const compared = comparedTable(model, feed, table);
    const from = { table: input, snapshotId: place.snapshotId, until: null, isFeed: true };
    const there = await DeliveredRows.of(session, from, compared);
    const own = { table: model.name, snapshotId, until: null, isFeed: false };
    const here = await DeliveredRows.of(session, own, compared);
    found.push({
      source: input,
      table: model.name,
      against: "feed",
      atMs: session.ports.clock.nowMs(),
      position: `@${table.current?.sequenceNumber ?? 0n}`,
      uncompared: compared.uncompared,
      ...(await compareSides(compared, there, here)),
    });
  }
  return found;
}

/** The feed that a model holds the rows of, changed by nothing on the way; null for any other model. */
function feedOf(
  { kind, cdc, sql, expectations }: Model,
  tables: ReadonlySet<TableName>,
): TableName | null {
  // Any other query may leave rows out, or change them.
  const input = [...tables].find((table) => sql.trim() === `select * from ${table}`);
  if (kind !== "cdc" || cdc === null || cdc.scd !== 1 || input === undefined) return null;
  const isPlain =
    cdc.sequenceBy.length === 1 &&
    cdc.sequenceBy[0] === FEED.position &&
    cdc.deleteWhen === `${FEED.op} = 'd'` &&
    cdc.truncateWhen === `${FEED.op} = 't'` &&
    !cdc.ignoreNullUpdates;
  return isPlain && expectations.every(({ action }) => action === "warn") ? input : null;
}

function comparedTable(model: Model, feed: Table, table: Table): CountedTable {
  const own = new Map(table.schema.fields.map(({ name, type }) => [name, type]));
  const uncompared: string[] = [];
  const columns = feed.schema.fields.flatMap(({ name, type }): ComparedColumn[] => {
    const here = own.get(name);
    if (here === undefined || isHidden(name) || isFeedColumn(name)) return [];
    const form = digestForm(declaredTypeText(type), here);
    if (form !== null) return [{ name, here: name, form }];
    uncompared.push(name);
    return [];
  });
  const key = model.key.flatMap((name) => columns.filter((column) => column.here === name));
  const values = columns.filter(({ here }) => !model.key.includes(here));
  return { table: model.name, key, values, uncompared, windows: { kind: "hashes" }, sums: [] };
}

/** Rows that were set aside: how many there are of which kind, and what may become of them. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json } from "../../core/base/json.ts";
import type { SourceConfig } from "../../core/ingest/contract.ts";
import { dropRows } from "../../core/ingest/drop-rows.ts";
import { isQuarantineTable } from "../../core/ingest/quarantine.ts";
import { type Retried, retryRows } from "../../core/ingest/retry.ts";
import type { RetryItem } from "../../core/ingest/retry-item.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { asidePages, besideTable, type QuarantinedRow, type Selection } from "./aside.ts";
import { lakeRows } from "./query.ts";
import { sourceConfigs } from "./sources.ts";

/** Open rows of one table that were set aside for one reason. */
export interface AsideCount {
  readonly table: TableName;
  readonly source: string;
  readonly reason: string;
  readonly rows: number;
}

/** How rows are corrected. */
export interface RowChange {
  /** Fields set by SQL over those of the row. */
  readonly set: string | null;
  /** Another text for the whole of the one row. */
  readonly raw: string | null;
  /** Other texts for whole rows, by id. */
  readonly texts: ReadonlyMap<string, string> | null;
}

export interface RetryHow extends RowChange {
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** What became of some rows of a source. */
export interface RetriedPart extends Retried {
  readonly source: string;
  readonly table: TableName;
}

/** How many rows are open, by table and reason. */
export async function asideCounts(
  session: Session,
  { reason, all }: Pick<Selection, "reason" | "all">,
): Promise<AsideCount[]> {
  const heads = await session.catalog.tables();
  const counts: AsideCount[] = [];
  for (const { name } of heads) {
    if (!isQuarantineTable(name)) continue;
    const open = all ? "" : " WHERE coalesce(s.status, 'open') = 'open'";
    const found = await lakeRows(
      session,
      `SELECT r.reason, min(r.source) AS source, count(*) AS rows
        FROM ${quoted(name)} r LEFT JOIN lake.quarantine s USING (id)${open}
        GROUP BY r.reason ORDER BY min(r."_batch"), r.reason`,
    );
    const own = found.map((row) => ({
      table: name,
      source: textOf(row.source),
      reason: textOf(row.reason),
      rows: Number(row.rows),
    }));
    counts.push(...own.filter((one) => reason === null || one.reason === reason));
  }
  return counts;
}

/**
 * Lands the rows that fit now, once, part by part; each is told when it is done. Rows that a model set aside have no
 * text to land: where there are no others that is `usage`, and so is a change that does not fit.
 */
export async function* retryQuarantined(
  session: Session,
  selection: Selection,
  how: RetryHow,
): AsyncGenerator<RetriedPart> {
  const configs = new Map<string, SourceConfig>();
  const settled = new Set<string>();
  for await (const rows of landablePages(session, selection, "retry", how.raw)) {
    for (const [source, group] of Map.groupBy(rows, (row) => row.source)) {
      if (how.signal.aborted) return;
      const config = configs.get(source) ?? (await sourceConfig(session, source));
      configs.set(source, config);
      const items = group.map((row): RetryItem => {
        const { id, batch, file, position, reason, raw } = row;
        return {
          id,
          batch,
          file,
          position,
          reason,
          raw,
          text: how.raw ?? how.texts?.get(id) ?? null,
        };
      });
      const { set, dryRun, signal } = how;
      const options = { set, dryRun, signal, settled };
      const retried = await retryRows(session.ports, config, items, session.settings, options);
      yield { source: config.name, table: config.into, ...retried };
    }
  }
}

/** Gives the rows up for good; the originals still hold them. How many. */
export async function dropQuarantined(session: Session, selection: Selection): Promise<number> {
  let dropped = 0;
  for await (const rows of landablePages(session, selection, "drop", null)) {
    for (const [source, group] of Map.groupBy(rows, (row) => row.source)) {
      await dropRows(session.ports, await sourceConfig(session, source), group);
      dropped += group.length;
    }
  }
  return dropped;
}

/** Rows that have a text to land. */
async function* landablePages(
  session: Session,
  selection: Selection,
  action: "retry" | "drop",
  raw: string | null,
): AsyncGenerator<readonly QuarantinedRow[]> {
  let found = 0;
  let model: TableName | null = null;
  for await (const rows of asidePages(session, selection)) {
    const landable = rows.filter((row) => row.source !== besideTable(row.table));
    const [first] = rows;
    if (landable.length < rows.length) model ??= besideTable(first?.table ?? "");
    found += landable.length;
    if (raw !== null && found > 1) throw notOne(found);
    if (landable.length > 0) yield landable;
  }
  if (found > 0 || model === null || besideTable(selection.source ?? "") !== model) return;
  throw new LakeError("usage", `${model} set these rows aside by its own rules`, {
    hint: `there is nothing to ${action}: mend the model or its input, then: tarn build ${model}`,
  });
}

function notOne(rows: number): LakeError {
  return new LakeError("usage", `--raw is one row, and ${rows} are meant`, {
    hint: "name the row with --id; see: tarn quarantine show",
  });
}

/** Names of tables have no quotes in them (core/table/name.ts). */
function quoted(table: TableName): string {
  const parts = table.split(".");
  return parts.map((part) => `"${part}"`).join(".");
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

async function sourceConfig(session: Session, name: string): Promise<SourceConfig> {
  const drops = await session.drops();
  await drops.refresh();
  const found = (await sourceConfigs(session)).find(
    (config) => config.name === name || config.into === name || config.into === `bronze.${name}`,
  );
  if (found !== undefined) return found;
  const { defaultSource } = await import("../../core/config/default-source.ts");
  const known = await session.catalog.ledger.contract(name);
  if (known !== null && isJsonObject(known)) {
    return defaultSource(name, `drops/${name}/**`, session.config.misfits);
  }
  throw new LakeError("not-found", `there is no source "${name}"`, { hint: "see: tarn status" });
}

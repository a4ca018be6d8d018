/** Whether every row is accounted for: the ledger's are in their tables, and what was set aside went somewhere. */

import { withinLake } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { quoteQualified } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";
import type { Finding } from "./finding.ts";
import { lakeRows } from "./query.ts";
import { reconcileLedger } from "./reconcile-ledger.ts";

/** A finding for each source, and for what is nowhere. Reads how many rows each table has of each file. */
export async function accountFindings(session: Session): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const there = new Set((await session.catalog.tables()).map(({ name }) => name));
  const tables = new Set<string>();
  for (const { source, table } of await session.catalog.ledger.sources()) {
    findings.push(...(await guarded(source, () => sourceFinding(session, source, table))));
    // Where all that came was set aside there is no table yet.
    if (there.has(table)) tables.add(table);
  }
  for (const table of tables) {
    findings.push(...(await guarded(table, () => strayRows(session, table))));
  }
  findings.push(...(await guarded("quarantine", () => nowhere(session))));
  return findings;
}

async function sourceFinding(session: Session, source: string, table: string): Promise<Finding[]> {
  const check = `account of ${source}`;
  const found = await reconcileLedger(session, source, table, false);
  if (found === null) return [];
  const { windows, rowsHere } = found;
  const [first] = windows;
  if (first === undefined) {
    return [
      { check, state: "ok", text: `${counted(rowsHere, "row")} of ${table}, as its ledger says` },
    ];
  }
  const { window, rowsThere, rowsHere: here } = first;
  const more = windows.length === 1 ? "" : ` and ${counted(windows.length - 1, "other file")}`;
  const text =
    `${table} has ${thousands(here)} of the ${counted(rowsThere, "row")} that the ledger ` +
    `says landed of ${window}${more}`;
  return [
    { check, state: "bad", text, todo: `tarn reread ${source} --dry-run, or restore a backup` },
  ];
}

/** Rows of a table that no batch brought. */
async function strayRows(session: Session, table: string): Promise<Finding[]> {
  const sql = `select count(*)::varchar as n from ${quoteQualified(table.split("."))} t
    where not exists (select 1 from lake.batches b where b.batch = t._batch)`;
  const [row] = await lakeRows(session, sql);
  const count = BigInt(String(row?.n ?? "0"));
  if (count === 0n) return [];
  const text = `${counted(count, "row")} came with no batch of the ledger: another engine wrote them`;
  const todo = `tarn log ${table}`;
  return [{ check: table, state: "warn", text, todo }];
}

/**
 * Rows that are said to be superseded, where neither the file that they stood in nor its bytes are live under any name:
 * what was to stand in for them is not there.
 */
async function nowhere(session: Session): Promise<Finding[]> {
  const sql = `select q.file as f, count(*)::varchar as n from lake.quarantine q
    where q.status = 'superseded' and q.file is not null
      and not coalesce(q.note like 'its batch was withdrawn%' or q.note like 'it has another name%', false)
      and not exists (select 1 from lake.ledger l where l.state = 'live'
        and (l.file = q.file or l.sha256 = q.file_sha256))
    group by all order by all`;
  const rows = await lakeRows(session, sql);
  if (rows.length === 0) return [];
  return rows.map(({ f, n }) => ({
    check: "quarantine",
    state: "bad",
    text: `${counted(BigInt(String(n)), "row")} of ${String(f)} are said to be superseded, by nothing that is there`,
    todo: `tarn sql -c "from lake.quarantine where status = 'superseded'"`,
  }));
}

/** What cannot be looked at is a finding of its own. */
async function guarded(check: string, find: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await find();
  } catch (thrown) {
    const { message, hint } = withinLake(thrown);
    return [{ check, state: "bad", text: message, ...(hint === null ? {} : { todo: hint }) }];
  }
}

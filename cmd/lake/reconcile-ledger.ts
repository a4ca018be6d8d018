/** The ledger's account of a source against the rows that its table has, file by file. */

import { join } from "node:path";
import { ioError } from "../../core/base/errors.ts";
import type { LedgerFile } from "../../core/ingest/ledger.ts";
import type { ReconciledWindow, Reconciliation } from "../../core/ingest/reconciliation.ts";
import { SOURCE_FILE_COLUMN } from "../../core/table/system-columns.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteQualified } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";
import { lakeRows } from "./query.ts";

const ATTEMPTS = 20;

/** Null for a table that is not there any more. */
export async function reconcileLedger(
  session: Session,
  source: string,
  table: TableName,
  isDropped: boolean,
): Promise<Reconciliation | null> {
  const pinned = await pinnedFiles(session, source, table);
  if (pinned === null) return null;
  const { files, snapshotId, sequenceNumber } = pinned;
  const there = rowsByFile(files.filter(({ isLive }) => isLive));
  const here = await rowsHere(session, table, snapshotId, new Set(files.map(({ batch }) => batch)));
  const windows: ReconciledWindow[] = await otherDrops(session, source, isDropped);
  for (const file of new Set([...there.keys(), ...here.keys()])) {
    const [rowsThere, own] = [there.get(file) ?? 0, here.get(file) ?? 0];
    if (rowsThere === own) continue;
    windows.push({
      window: file,
      rowsThere,
      rowsHere: own,
      differing: Math.abs(rowsThere - own),
      ...{ missing: [], extra: [], changed: [], note: null },
    });
  }
  const total = (rows: ReadonlyMap<string, number>) =>
    [...rows.values()].reduce((a, b) => a + b, 0);
  return {
    source,
    table,
    against: "ledger",
    atMs: session.ports.clock.nowMs(),
    position: `@${sequenceNumber}`,
    rowsThere: total(there),
    rowsHere: total(here),
    differing: windows.reduce((sum, { differing }) => sum + differing, 0),
    uncompared: [],
    windows,
  };
}

/** Dropped files that hold other bytes than those that landed, though they look as they did. */
async function otherDrops(
  session: Session,
  source: string,
  isDropped: boolean,
): Promise<ReconciledWindow[]> {
  if (!isDropped) return [];
  const latest = new Map<string, LedgerFile>();
  for (const file of await session.catalog.ledger.files({ source, live: true })) {
    const known = latest.get(file.file);
    if (known === undefined || known.version <= file.version) latest.set(file.file, file);
  }
  const found: ReconciledWindow[] = [];
  for (const { file, sizeBytes, sha256, rowsLanded } of latest.values()) {
    // One that grew, or is another, waits to be landed: that is no difference.
    const now = await contentOf(join(session.root, file), sizeBytes);
    if (now === null || now === sha256) continue;
    found.push({
      ...{ window: file, rowsThere: rowsLanded, rowsHere: rowsLanded, differing: 1 },
      ...{ missing: [], extra: [], changed: [] },
      note: "the file holds other bytes than those that landed",
    });
  }
  return found;
}

/** The sha256 of a file of this size; null for one that is not there, or is of another size. */
async function contentOf(path: string, sizeBytes: number): Promise<string | null> {
  const dropped = Bun.file(path);
  const found = await dropped.stat().catch(() => null);
  if (found === null || !found.isFile() || found.size !== sizeBytes) return null;
  const hasher = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of dropped.stream()) hasher.update(chunk);
  } catch (thrown) {
    throw ioError(thrown, "read", path);
  }
  return hasher.digest("hex");
}

interface FileRows {
  /** That its rows carry. */
  readonly batch: string;
  readonly file: string;
  readonly rows: number;
  readonly isLive: boolean;
}

/** The ledger as of a snapshot of the table: neither moves while it is read. */
async function pinnedFiles(session: Session, source: string, table: TableName) {
  const { catalog } = session;
  for (let attempt = 1; ; attempt++) {
    const before = await headOf(session, table);
    if (before === null || before.snapshotId === null) return null;
    const all = await catalog.ledger.files({ source });
    const live = await catalog.ledger.files({ source, live: true });
    const after = await headOf(session, table);
    if (after?.snapshotId !== before.snapshotId && attempt < ATTEMPTS) continue;
    const isLive = new Set(live.map(idOf));
    const files = all.map((file): FileRows => {
      return {
        batch: file.landsAs,
        file: file.file,
        rows: file.rowsLanded,
        isLive: isLive.has(idOf(file)),
      };
    });
    return { files, ...before, snapshotId: before.snapshotId };
  }
}

function idOf({ batch, file, landsAs }: LedgerFile): string {
  return JSON.stringify([batch, landsAs, file]);
}

async function headOf(session: Session, table: TableName) {
  return (await session.catalog.tables()).find(({ name }) => name === table) ?? null;
}

function rowsByFile(files: readonly FileRows[]): ReadonlyMap<string, number> {
  const byFile = new Map<string, number>();
  for (const { batch, file, rows } of files) {
    if (rows === 0) continue;
    const name = windowOf(batch, file);
    byFile.set(name, (byFile.get(name) ?? 0) + rows);
  }
  return byFile;
}

/** Of batches that the source landed: other rows of the table are of others. */
async function rowsHere(
  session: Session,
  table: TableName,
  snapshotId: bigint,
  batches: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number>> {
  const sql = `select _batch as b, ${SOURCE_FILE_COLUMN} as f, count(*)::varchar as n
    from ${quoteQualified(table.split("."))} at (version => ${snapshotId}) group by all`;
  const rows = (await lakeRows(session, sql)).filter(({ b }) => batches.has(String(b)));
  return new Map(rows.map(({ b, f, n }) => [windowOf(String(b), String(f)), Number(n)]));
}

function windowOf(batch: string, file: string): string {
  return `${file} of batch ${batch}`;
}

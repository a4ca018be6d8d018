/** What comparisons of sources found, in SQLite: a row for each table, and one for each window that differs. */

import { isJsonObject, type Json, parseJson, stringifyJson } from "../../core/base/json.ts";
import type {
  KeptReconciliation,
  ReconciledWindow,
  Reconciliation,
  ReconciliationStore,
} from "../../core/ingest/reconciliation.ts";
import { int, intOrNull, type Row, text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

/** Comparisons of a table that are kept. */
const KEPT_RUNS = 100;
/** Windows of one that are told of, each in a row of its own. */
const KEPT_WINDOWS = 100;
const OF_ONE = "source = ? AND table_name = ? AND against = ?";

export class SqliteReconciliationStore implements ReconciliationStore {
  readonly #store: LakeStore;

  constructor(store: LakeStore) {
    this.#store = store;
  }

  async record(reconciliations: readonly Reconciliation[]): Promise<void> {
    await this.#store.write(() => {
      for (const one of reconciliations) this.#record(one);
    });
  }

  async latest(): Promise<readonly KeptReconciliation[]> {
    const sql = `SELECT r.* FROM lake_reconciliations r JOIN (
        SELECT source, table_name, against, max(run) AS run FROM lake_reconciliations
          GROUP BY source, table_name, against) USING (source, table_name, against, run)
      ORDER BY source, table_name, against, ordinal`;
    const rows = await this.#store.read(() => this.#store.db.all(sql));
    const kept: OpenKept[] = [];
    for (const row of rows) {
      if (int(row, "ordinal") === 0) kept.push(totalOf(row));
      else kept.at(-1)?.windows.push(windowOf(row));
    }
    return kept;
  }

  #record(one: Reconciliation): void {
    const { db } = this.#store;
    const key = [one.source, one.table, one.against] as const;
    const before = db.get(
      `SELECT run, verified_ms FROM lake_reconciliations WHERE ${OF_ONE} AND ordinal = 0
        ORDER BY run DESC LIMIT 1`,
      ...key,
    );
    const run = before === null ? 1 : int(before, "run") + 1;
    const verified = before === null ? null : intOrNull(before, "verified_ms");
    const verifiedMs = one.differing === 0 ? one.atMs : verified;
    const total = {
      ...{ window: null, rowsThere: one.rowsThere, rowsHere: one.rowsHere },
      ...{ differing: one.differing, details: stringifyJson({ uncompared: [...one.uncompared] }) },
    };
    const windows = one.windows.slice(0, KEPT_WINDOWS).map((each) => ({
      ...each,
      details: detailsOf(each),
    }));
    for (const [ordinal, each] of [total, ...windows].entries()) {
      db.run(
        `INSERT INTO lake_reconciliations (source, table_name, against, run, ordinal, window,
            rows_there, rows_here, differing, at_ms, position, verified_ms, details)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ...key,
        run,
        ordinal,
        each.window,
        each.rowsThere,
        each.rowsHere,
        each.differing,
        one.atMs,
        one.position,
        verifiedMs,
        each.details,
      );
    }
    db.run(
      `DELETE FROM lake_reconciliations WHERE ${OF_ONE} AND run <= ?`,
      ...key,
      run - KEPT_RUNS,
    );
  }
}

type OpenKept = Omit<KeptReconciliation, "windows"> & { windows: ReconciledWindow[] };

function totalOf(row: Row): OpenKept {
  const against = text(row, "against");
  return {
    source: text(row, "source"),
    table: text(row, "table_name"),
    against: against === "ledger" || against === "feed" ? against : "source",
    atMs: int(row, "at_ms"),
    position: text(row, "position"),
    ...countsOf(row),
    verifiedMs: intOrNull(row, "verified_ms"),
    uncompared: textsOf(detailsIn(row).uncompared),
    windows: [],
  };
}

function windowOf(row: Row): ReconciledWindow {
  const { missing, extra, changed, note } = detailsIn(row);
  return {
    window: text(row, "window"),
    ...countsOf(row),
    missing: textsOf(missing),
    extra: textsOf(extra),
    changed: listOf(changed).flatMap((one) =>
      isJsonObject(one) ? [{ key: String(one.key), columns: textsOf(one.columns) }] : [],
    ),
    note: typeof note === "string" ? note : null,
  };
}

function countsOf(row: Row) {
  return {
    rowsThere: int(row, "rows_there"),
    rowsHere: int(row, "rows_here"),
    differing: int(row, "differing"),
  };
}

function detailsOf({ missing, extra, changed, note }: ReconciledWindow): string {
  return stringifyJson({
    missing: [...missing],
    extra: [...extra],
    changed: changed.map(({ key, columns }) => ({ key, columns: [...columns] })),
    note,
  });
}

function detailsIn(row: Row): { readonly [name: string]: Json } {
  const json = parseJson(text(row, "details"));
  return isJsonObject(json) ? json : {};
}

function listOf(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? json : [];
}

function textsOf(json: Json | undefined): readonly string[] {
  return listOf(json).map(String);
}

/** System tables made of the lake's own rows: commits, runs, the ledger, quarantine, drift. */

import type { Json } from "../../core/base/json.ts";
import type { TableName } from "../../core/table/types.ts";
import type { CatalogContext } from "./context.ts";
import type { Row } from "./database.ts";
import { partsOf } from "./history.ts";
import { GONE_FILES, LAST_QUARANTINE_EVENTS, STATE } from "./ledger.ts";
import { columns, iso, type SystemTableMaker } from "./system-column.ts";

/** A column of a system table: its name and type, and the column of the query it is read from. */
interface Mapping {
  readonly name: string;
  readonly type: string;
  readonly from: string;
}

const COUNTS = ["rows_in", "rows_landed", "rows_quarantined", "rows_duplicate"];

const EVENT_COLUMNS = [
  "id",
  "status",
  "changed_at timestamptz time_ms",
  "batch",
  "note",
  "table_schema",
  "table_name",
  "action",
];

const CLOSED_COLUMNS = [...EVENT_COLUMNS, "file"];

export const SYSTEM_TABLES_OF_LAKE: Readonly<Record<string, SystemTableMaker>> = {
  commits: fromQuery(
    `SELECT c.*, t.* FROM lake_commits c
      LEFT JOIN lake_commit_tables t ON t.commit_number = c.number ORDER BY c.number, t.table_name`,
    [
      "commit_number long number",
      "committed_at timestamptz time_ms",
      "kind",
      "message",
      "table_schema",
      "table_name",
      "table_uuid",
      "snapshot_id long",
      "parent_id long",
      "sequence_number long",
      "operation",
      "added_records long",
      "deleted_records long",
      "total_records long",
    ],
  ),
  runs: fromQuery(
    `SELECT r.*, r.model AS table_name, record ->> 'mode' AS mode, record ->> 'reason' AS reason,
        record ->> 'error' AS error, record ->> 'modelHash' AS model_hash,
        record ->> 'timezone' AS timezone, record ->> 'engine' AS engine,
        record ->> 'runTimeMs' AS run_time_ms, record ->> 'rowsIn' AS rows_in,
        record ->> 'rowsWritten' AS rows_written, record ->> 'rowsQuarantined' AS rows_quarantined,
        record ->> 'rowsDropped' AS rows_dropped, record -> 'inputs' AS inputs,
        record -> 'variables' AS variables
      FROM lake_runs r ORDER BY r.ended_ms, r.run`,
    [
      "run",
      "table_schema",
      "table_name",
      "mode",
      "reason",
      "status",
      "error",
      "started_at timestamptz started_ms",
      "ended_at timestamptz ended_ms",
      "run_time timestamptz run_time_ms",
      "timezone",
      "engine",
      "model_hash",
      "commit_number long",
      "rows_in long",
      "rows_written long",
      "rows_quarantined long",
      "rows_dropped long",
      "inputs",
      "variables",
    ],
  ),
  intervals: fromQuery(
    "SELECT i.*, i.model AS table_name FROM lake_intervals i ORDER BY i.due_ms, i.model",
    [
      "table_schema",
      "table_name",
      "due_at timestamptz due_ms",
      "status",
      "ended_at timestamptz ended_ms",
      "run",
    ],
  ),
  batches: fromQuery(
    `SELECT b.*, c.time_ms, CASE WHEN b.withdrawn_by IS NOT NULL THEN 'withdrawn' ELSE (
          SELECT CASE WHEN max(${STATE} = 'live') = 0 THEN max(${STATE}) ELSE 'live' END
            FROM lake_files f WHERE f.batch = b.batch) END AS state
      FROM lake_batches b JOIN lake_commits c ON c.number = b.commit_number
      ORDER BY b.commit_number, b.batch`,
    [
      "batch",
      "source",
      "table_schema",
      "table_name",
      "started_at timestamptz started_ms",
      "committed_at timestamptz time_ms",
      "commit_number long",
      "state",
      "withdrawn_by long",
      ...COUNTS.map((name) => `${name} long`),
    ],
  ),
  sources: fromQuery(
    `SELECT b.source, min(b.table_name) AS table_name, count(*) AS batches,
        max(c.time_ms) AS time_ms, coalesce(n.files, 0) AS files,
        coalesce(n.rows_in, 0) AS rows_in, coalesce(n.rows_landed, 0) AS rows_landed,
        coalesce(n.rows_quarantined, 0) AS rows_quarantined,
        coalesce(n.rows_duplicate, 0) AS rows_duplicate,
        (SELECT max(k.version) FROM lake_contracts k JOIN lake_batches d USING (batch)
          WHERE k.source = b.source AND d.commit_number IS NOT NULL) AS contract_version,
        g.bytes AS lag_bytes, g.rows AS lag_rows, g.lag_ms / 1000.0 AS lag_seconds, g.measured_ms
      FROM lake_batches b JOIN lake_commits c ON c.number = b.commit_number
        LEFT JOIN lake_lags g ON b.source = g.source OR b.source GLOB g.source || '.*' LEFT JOIN (
        SELECT f.source AS of_source, count(*) AS files, sum(f.rows_in) AS rows_in,
          sum(f.rows_landed) AS rows_landed, sum(f.rows_quarantined) AS rows_quarantined,
          sum(f.rows_duplicate) AS rows_duplicate
        FROM lake_files f JOIN lake_batches b USING (batch)
        WHERE b.commit_number IS NOT NULL AND ${STATE} = 'live' GROUP BY f.source
      ) n ON n.of_source = b.source
      GROUP BY b.source ORDER BY b.source`,
    [
      "source",
      "table_schema",
      "table_name",
      "files long",
      "batches long",
      "last_landed_at timestamptz time_ms",
      "contract_version long",
      "lag_bytes long",
      "lag_rows long",
      "lag_seconds double",
      "lag_measured_at timestamptz measured_ms",
      ...COUNTS.map((name) => `${name} long`),
    ],
  ),
  ledger: fromQuery(
    `SELECT f.*, b.table_name, b.commit_number, b.withdrawn_by, c.time_ms, ${STATE} AS state
      FROM lake_files f
      JOIN lake_batches b USING (batch) JOIN lake_commits c ON c.number = b.commit_number
      ORDER BY b.commit_number, f.batch, f.ordinal`,
    [
      "batch",
      "source",
      "table_schema",
      "table_name",
      "file",
      "version long",
      "outcome",
      "reason",
      "committed_at timestamptz time_ms",
      "commit_number long",
      "state",
      "withdrawn_by long",
      "sha256",
      "size_bytes long",
      "modified_at timestamptz modified_ms",
      "original",
      "from_byte long",
      "contract_version long",
      ...COUNTS.map((name) => `${name} long`),
    ],
  ),
  /**
   * What became of rows that are open no longer; and, without an id, the files whose rows went with them. The lake's
   * resolver joins the rows that were set aside.
   */
  quarantine: fromQuery(
    `SELECT e.id, e.status, e.time_ms, e.batch, e.note, f.action, NULL AS file,
        coalesce(f.table_name, b.table_name) AS table_name
      FROM (${LAST_QUARANTINE_EVENTS}) e LEFT JOIN lake_fixes f ON f.id = e.id AND f.batch = e.batch
        LEFT JOIN lake_batches b ON b.batch = e.batch
      UNION ALL SELECT NULL, 'superseded', c.time_ms, g.lands_as, CASE
          WHEN g.forgotten THEN 'its file was forgotten in commit ' || g.replaced_by
          WHEN g.replaced_by IS NULL THEN 'its batch was withdrawn in commit ' || g.withdrawn_by
          ELSE coalesce('version ' || g.version || ' of its file stands in for it',
            'it has another name') || ' since commit ' || g.replaced_by END, NULL, g.file, g.table_name
      FROM (${GONE_FILES}) g
        JOIN lake_commits c ON c.number = coalesce(g.replaced_by, g.withdrawn_by)`,
    CLOSED_COLUMNS,
  ),
  quarantine_events: fromQuery(
    `SELECT e.*, f.action, f.table_name FROM lake_quarantine_events e
      LEFT JOIN lake_fixes f ON f.id = e.id AND f.batch = e.batch ORDER BY e.event`,
    EVENT_COLUMNS,
  ),
  /** A row for each comparison of a table, and one for each of its windows that was not the same. */
  reconciliations: fromQuery(
    `SELECT r.*, details -> 'missing' AS missing, details -> 'extra' AS extra,
        details -> 'changed' AS changed, details ->> 'note' AS note
      FROM lake_reconciliations r ORDER BY r.at_ms, r.source, r.table_name, r.against, r.run, r.ordinal`,
    [
      "source",
      "table_schema",
      "table_name",
      "against",
      "run long",
      "window",
      "rows_there long",
      "rows_here long",
      "differences long differing",
      "compared_at timestamptz at_ms",
      "position",
      "verified_through timestamptz verified_ms",
      "missing",
      "extra",
      "changed",
      "note",
    ],
  ),
  corrections: fromQuery(
    `SELECT substr(name, 12) AS correction, value ->> 'table' AS table_name, value ->> 'hash' AS hash,
        value ->> 'range' AS range, value ->> 'statement' AS statement, value ->> 'file' AS file,
        value ->> 'since' AS since_ms, value ->> 'owner' AS owner,
        value ->> 'description' AS description
      FROM lake_facts WHERE kind = 'setting' AND name GLOB 'correction:*' ORDER BY name`,
    [
      "correction",
      "table_schema",
      "table_name",
      "range",
      "statement",
      "hash",
      "file",
      "since timestamptz since_ms",
      "owner",
      "description",
    ],
  ),
  drift: fromQuery(
    `SELECT d.*, b.source, b.table_name, b.commit_number, c.time_ms FROM lake_drift d
      JOIN lake_batches b USING (batch) JOIN lake_commits c ON c.number = b.commit_number
      ORDER BY b.commit_number, d.batch, d.ordinal`,
    [
      "committed_at timestamptz time_ms",
      "batch",
      "commit_number long",
      "source",
      "table_schema",
      "table_name",
      "column_name",
      "change",
      "from_type",
      "to_type",
      "file",
      "message",
    ],
  ),
};

/**
 * A table read with one query. A mapping is `name [type [column]]`; `table_schema` and `table_name` are both read from
 * the query's full table name.
 */
function fromQuery(sql: string, texts: readonly string[]): SystemTableMaker {
  const mappings = texts.map((text): Mapping => {
    const [name = "", type = "string", from = name] = text.split(" ");
    return { name, type, from };
  });
  return {
    columns: columns(...mappings.map(({ name, type }) => `${name} ${type}`)),
    read: async ({ store }: CatalogContext, only: TableName | null) => {
      const rows = await store.read(() => store.db.all(sql));
      const wanted = only === null ? rows : rows.filter((row) => row.table_name === only);
      return wanted.map((row) => mappings.map((mapping) => cellOf(row, mapping)));
    },
  };
}

function cellOf(row: Row, { name, type, from }: Mapping): Json {
  if (name === "table_schema" || name === "table_name") {
    const full = row.table_name;
    if (typeof full !== "string") return null;
    const { namespace, table } = partsOf(full);
    return name === "table_schema" ? namespace : table;
  }
  const value = row[from] ?? null;
  return type === "timestamptz" && value !== null ? iso(Number(value)) : value;
}

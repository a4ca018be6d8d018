/** What changed in a table from one of its versions to another, as rows: `lake.changes('silver.orders', 3, 5)`. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import { CHANGES_SNAPSHOTS_MAX } from "../../core/limits.ts";
import { emptyScan } from "../../core/model/pins.ts";
import type { TableNames } from "../../core/model/table-names.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Scan, Schema, Snapshot, Table } from "../../core/table/types.ts";
import { type ChangesCall, changesCallIn } from "../../sql/syntax/changes-call.ts";
import { quoteIdentifier } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";
import { versionRef } from "./moments.ts";

/** Columns beside those of the table, as Iceberg's changelog views call them. */
const TYPE = "_change_type";
const ORDINAL = "_change_ordinal";
const SNAPSHOT = "_commit_snapshot_id";

/**
 * The rows of a call of `lake.changes`: for every snapshot behind `from` up to `to` those that came and those that
 * left, and of a key that did both the row before and after. A compaction changes nothing. Throws `not-found` for a
 * table or version that is not there, `usage` for versions that do not follow each other or are too far apart.
 */
export async function changesBinding(
  session: Session,
  names: TableNames,
  ref: TableRef,
): Promise<Binding> {
  const call = changesCallIn(ref.name);
  if (call === null) throw new LakeError("internal", `${ref.name} is no call of lake.changes`);
  const table = await tableOf(session, names, call.table);
  const { schema } = table;
  refuseNames(table.name, schema);
  const to = await snapshotAt(session, table, call.to);
  const from = call.from === null ? null : await snapshotAt(session, table, call.from);
  const steps = stepsBetween(table, from, to);
  const key = keyOf(session, table, call);
  const parts: string[] = [];
  const bindings: Binding[] = [];
  const bind = (what: string, scan: Scan): string => {
    const name = `lake_changes_${what}_${bindings.length}`;
    bindings.push({
      kind: "scan",
      ref: { name, at: null, offset: null },
      scan: { ...scan, schema },
    });
    return quoteIdentifier(name);
  };
  for (const [index, { before, after }] of steps.entries()) {
    const changes = await session.catalog.changes(table, before, after);
    const { marked } = changes;
    const added = together(changes.added, marked?.after ?? null);
    const removed = together(changes.removed, marked?.before ?? null);
    const rows = rowsOf(bind, added, removed);
    const place = `${index + 1}::INTEGER AS ${ORDINAL}, ${after.snapshotId}::BIGINT AS ${SNAPSHOT}`;
    parts.push(
      `SELECT ${typeSql(key)} AS ${TYPE}, ${place}, ${columnsSql(schema)} FROM (${rows}) AS r`,
    );
  }
  if (parts.length === 0) {
    const nothing = bind("nothing", emptyScan(table.name, schema));
    const place = `0::INTEGER AS ${ORDINAL}, 0::BIGINT AS ${SNAPSHOT}`;
    parts.push(
      `SELECT '' AS ${TYPE}, ${place}, ${columnsSql(schema)} FROM ${nothing} AS r WHERE FALSE`,
    );
  }
  return { kind: "view", ref, sql: parts.join(" UNION ALL "), bindings };
}

async function tableOf(session: Session, names: TableNames, name: string): Promise<Table> {
  const found = names.lookUp(name);
  const table = found.kind === "table" ? await session.catalog.load(found.name) : null;
  if (table !== null) return table;
  const heads = await session.catalog.tables();
  throw new LakeError("not-found", `there is no table "${name}" whose changes could be told`, {
    hint: suggestion(
      name.toLowerCase(),
      heads.map((head) => head.name),
      "tables",
    ),
  });
}

/** Names of the columns that are added must be free. */
function refuseNames(table: string, { fields }: Schema): void {
  const taken = fields.find(({ name }) => [TYPE, ORDINAL, SNAPSHOT].includes(name.toLowerCase()));
  if (taken === undefined) return;
  throw new LakeError(
    "unsupported",
    `${table} has a column ${taken.name}, a name that changes need`,
    {
      hint: "read the table at both versions: AT (VERSION => …)",
    },
  );
}

async function snapshotAt(
  session: Session,
  table: Table,
  version: string | null,
): Promise<Snapshot | null> {
  if (version === null) return table.current;
  return session.catalog.snapshotAt(table, await versionRef(session, table, version));
}

interface Step {
  readonly before: Snapshot | null;
  readonly after: Snapshot;
}

/** Snapshots behind `from` up to `to`, but for those that only wrote rows again. */
function stepsBetween(table: Table, from: Snapshot | null, to: Snapshot | null): Step[] {
  const steps: Step[] = [];
  const byId = new Map(table.snapshots.map((one) => [one.snapshotId, one]));
  let after = to;
  while (after !== null && after.snapshotId !== from?.snapshotId) {
    const before = after.parentId === null ? null : (byId.get(after.parentId) ?? null);
    if (before === null && after.parentId !== null) {
      throw new LakeError("not-found", `${table.name} is kept from @${after.sequenceNumber} on`, {
        hint: `begin there: lake.changes('${table.name}', ${after.sequenceNumber}); keep: says how long snapshots stay`,
      });
    }
    if (after.operation !== "replace") steps.push({ before, after });
    if (steps.length > CHANGES_SNAPSHOTS_MAX) {
      throw new LakeError(
        "usage",
        `more than ${CHANGES_SNAPSHOTS_MAX} snapshots lie between them`,
        {
          hint: "ask for fewer at a time",
        },
      );
    }
    after = before;
  }
  if (after === null && from !== null) {
    const last = to === null ? "the current version" : `@${to.sequenceNumber}`;
    throw new LakeError(
      "usage",
      `@${from.sequenceNumber} of ${table.name} does not come before ${last}`,
      {
        hint: "the first version is the earlier one",
      },
    );
  }
  return steps.reverse();
}

/** Files whose rows are compared, of one side. */
function together(scan: Scan, marked: Scan | null): Scan {
  if (marked === null) return scan;
  return {
    ...scan,
    files: [...scan.files, ...marked.files],
    deletes: [...scan.deletes, ...marked.deletes],
  };
}

/** Rows of one snapshot with their side; what was only written again is on both, and left out. */
function rowsOf(bind: (what: string, scan: Scan) => string, added: Scan, removed: Scan): string {
  const fresh = bind("added", added);
  if (removed.files.length === 0) return `SELECT 'insert' AS side, * FROM ${fresh}`;
  const old = bind("removed", removed);
  const left = (a: string, b: string) => `(SELECT * FROM ${a} EXCEPT ALL SELECT * FROM ${b})`;
  return `SELECT 'insert' AS side, * FROM ${left(fresh, old)} UNION ALL SELECT 'delete', * FROM ${left(old, fresh)}`;
}

/** A row of a key that one side alone has came or left; of one that both have it is another row. */
function typeSql(key: readonly string[]): string {
  if (key.length === 0) return "r.side";
  const keys = key.map((name) => `r.${quoteIdentifier(name)}`).join(", ");
  const other = (side: string) =>
    `count(*) FILTER (r.side = '${side}') OVER (PARTITION BY ${keys}) > 0`;
  return (
    `CASE WHEN r.side = 'insert' AND ${other("delete")} THEN 'update_after' ` +
    `WHEN r.side = 'delete' AND ${other("insert")} THEN 'update_before' ELSE r.side END`
  );
}

function columnsSql({ fields }: Schema): string {
  const names = fields
    .filter(({ name }) => !isHidden(name))
    .map(({ name }) => `r.${quoteIdentifier(name)}`);
  return names.join(", ");
}

/** As it is asked for; else that of the model that makes the table, or what the table says of itself. */
function keyOf(session: Session, { name, schema }: Table, { key }: ChangesCall): readonly string[] {
  const model = session.project.models.find((one) => one.name === name);
  const own = schema.fields.filter(({ id }) => schema.identifierFieldIds?.includes(id) === true);
  const isMade = model !== undefined && model.kind === "merge";
  const asked = key ?? (isMade ? model.key : own.map((field) => field.name));
  return asked.map((column) => {
    const field = schema.fields.find((one) => one.name.toLowerCase() === column.toLowerCase());
    if (field !== undefined) return field.name;
    throw new LakeError("not-found", `${name} has no column ${column}`, {
      hint: `columns are: ${schema.fields
        .map((one) => one.name)
        .filter((one) => !isHidden(one))
        .join(", ")}`,
    });
  });
}

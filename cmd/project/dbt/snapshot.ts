/** Snapshots of dbt: the versions that rows had, as a query over the versions that are known and the rows there are. */

import type { LakeError } from "../../../core/base/errors.ts";
import { isList, isTrue, toText, type Value } from "./jinja/values.ts";
import { type Compiled, type DbtNode, placeOfSetting, type Queries } from "./node.ts";
import { unsupportedPart } from "./package.ts";

/** dbt's columns of a snapshot. */
const SCD_ID = "dbt_scd_id";
const UPDATED = "dbt_updated_at";
const FROM = "dbt_valid_from";
const TO = "dbt_valid_to";
const OWN = [SCD_ID, UPDATED, FROM, TO].join(", ");
/** When the run is, for a strategy that has no column for it. */
const NOW = "now()::timestamp";

/** The queries of a snapshot; or why it is left out. */
export function snapshotQueries(node: DbtNode, { sql }: Compiled): Queries | LakeError {
  const { values } = node.config;
  const refuse = (key: string, message: string, hint: string): LakeError =>
    unsupportedPart(message, hint, placeOfSetting(node, key));
  const keys = textsOf(values.get("unique_key"));
  if (keys.length === 0) {
    return refuse("unique_key", `the snapshot ${node.name} has no unique_key`, "unique_key: id");
  }
  const strategy = toText(values.get("strategy") ?? "");
  const column = values.get("updated_at");
  if (strategy === "timestamp" && column === undefined) {
    const hint = "updated_at: the column that says when a row changed";
    return refuse("strategy", `the snapshot ${node.name} has no updated_at`, hint);
  }
  if (strategy !== "timestamp" && strategy !== "check") {
    const message = `the strategy ${strategy || "(none)"} of the snapshot ${node.name} is not run`;
    return refuse("strategy", message, "timestamp and check are");
  }
  const said = values.get("hard_deletes");
  const deletes =
    said === undefined ? isTrue(values.get("invalidate_hard_deletes")) : said === "invalidate";
  if (said === "new_record") {
    const hint = "write hard_deletes: invalidate";
    return refuse("hard_deletes", `hard_deletes: new_record of ${node.name} is not run`, hint);
  }
  const changed =
    strategy === "timestamp"
      ? `held.${FROM} < coming.${toText(column)}`
      : changedColumns(values.get("check_cols"));
  if (changed === null) {
    const hint = "check_cols: all, or a list of columns";
    return refuse("check_cols", `the snapshot ${node.name} has no check_cols`, hint);
  }
  const updatedAt = column === undefined ? NOW : toText(column);
  const current = values.get("dbt_valid_to_current");
  const parts = {
    ...{ sql, keys, changed, updatedAt, deletes },
    current: current === undefined || current === null ? "null" : toText(current),
    table: node.relation.text(),
  };
  const increment = {
    ...{ sql: laterQuery(parts), how: "whole" as const, key: keys, updates: [], excluded: [] },
    onSchemaChange: null,
    isHistory: true,
  };
  return { sql: firstQuery(parts), increment };
}

interface Parts {
  readonly sql: string;
  readonly keys: readonly string[];
  readonly changed: string;
  readonly updatedAt: string;
  readonly deletes: boolean;
  readonly current: string;
  readonly table: string;
}

function firstQuery({ sql, keys, updatedAt, current }: Parts): string {
  return (
    `select *, ${scdId([...keys, updatedAt])} as ${SCD_ID}, ${updatedAt} as ${UPDATED}, ` +
    `${updatedAt} as ${FROM}, coalesce(nullif(${updatedAt}, ${updatedAt}), ${current}) as ${TO} ` +
    `from (\n${sql}\n) as snapshot_query`
  );
}

/** Versions that ended are closed, and new ones come behind them. */
function laterQuery(parts: Parts): string {
  const { sql, keys, changed, updatedAt, deletes, current, table } = parts;
  const same = keys.map((_, at) => `held.dbt_key_${at} = coming.dbt_key_${at}`).join(" and ");
  const fields = keys.map((key, at) => `${key} as dbt_key_${at}`).join(", ");
  const hidden = keys.map((_, at) => `dbt_key_${at}`).join(", ");
  const openOf = (of: string): string =>
    current === "null" ? `${of}${TO} is null` : `(${of}${TO} = ${current} or ${of}${TO} is null)`;
  const ended =
    `select held.${SCD_ID} as ended_id, coming.dbt_now as ended_at from coming join held on ${same} ` +
    `where ${changed}` +
    (deletes
      ? ` union all select held.${SCD_ID}, ${NOW} from held left join coming on ${same} ` +
        "where coming.dbt_key_0 is null"
      : "");
  return (
    `with snapshot_query as materialized (\n${sql}\n),\n` +
    `coming as materialized (select *, row(*columns(*)) as dbt_row, ${fields}, ${updatedAt} as dbt_now, ` +
    `${scdId([...keys, updatedAt])} as dbt_new_id from snapshot_query),\n` +
    `held as materialized (select *, row(*columns(* exclude (${OWN}))) as dbt_row, ` +
    `${fields} from ${table} where ${openOf("")}),\n` +
    `ended as materialized (${ended})\n` +
    `select known.* replace (case when ended.ended_id is null then known.${TO} else ended.ended_at end ` +
    `as ${TO}) from ${table} as known left join ended on known.${SCD_ID} = ended.ended_id and ${openOf("known.")}\n` +
    `union all by name\n` +
    `select coming.* exclude (dbt_row, dbt_now, dbt_new_id, ${hidden}), dbt_new_id as ${SCD_ID}, ` +
    `dbt_now as ${UPDATED}, dbt_now as ${FROM}, coalesce(nullif(dbt_now, dbt_now), ${current}) as ${TO} ` +
    `from coming left join held on ${same} where held.dbt_key_0 is null or ${changed}`
  );
}

/** Null where no column is named. */
function changedColumns(said: Value): string | null {
  if (said === "all") {
    return "held.dbt_row is distinct from coming.dbt_row";
  }
  const columns = textsOf(said);
  if (columns.length === 0) return null;
  return `(${columns.map((one) => `held.${one} is distinct from coming.${one}`).join(" or ")})`;
}

/** dbt's hash of what names a version. */
function scdId(parts: readonly string[]): string {
  const texts = parts.map((part) => `coalesce(cast(${part} as varchar ), '')`);
  return `md5(${texts.join(" || '|' || ")})`;
}

function textsOf(value: Value): string[] {
  if (value === undefined || value === null || value === "") return [];
  return isList(value) ? value.map(toText) : [toText(value)];
}

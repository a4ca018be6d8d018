/** The records of a topic that are accounted for: those that landed, and those that were set aside. */

import type { Side } from "../../core/ingest/compare.ts";
import { RECORD } from "../../core/ingest/feed.ts";
import {
  type CountedTable,
  OFFSETS,
  offsetsOf,
  type RowSums,
  SEPARATOR,
  type ValueSums,
  type WindowSum,
} from "../../core/ingest/reconcile.ts";
import { splitName } from "../../core/table/name.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteLiteral, quoteQualified } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";
import { lakeRows } from "./query.ts";

/** Where the records of a topic are. */
export interface RecordsFrom {
  readonly table: TableName;
  /** As the ledger calls it. */
  readonly source: string;
}

export class DeliveredRecords implements Side {
  readonly #session: Session;
  readonly #from: RecordsFrom;
  readonly #counted: CountedTable;

  constructor(session: Session, from: RecordsFrom, counted: CountedTable) {
    this.#session = session;
    this.#from = from;
    this.#counted = counted;
  }

  async sums(): Promise<readonly WindowSum[]> {
    const sql = `select p::varchar || '/' || (o // ${OFFSETS})::varchar as w, count(*)::varchar as n,
      sum(o)::varchar as s from (${await this.#records()}) group by w`;
    const rows = await lakeRows(this.#session, sql);
    return rows.map(({ w, n, s }) => ({ window: String(w), rows: Number(n), sum: String(s) }));
  }

  async rowsOf(window: string): Promise<RowSums> {
    const { partition, from, to } = offsetsOf(window);
    const sql = `select o::varchar as o from (${await this.#records()})
      where p = ${partition} and o >= ${from} and o < ${to}`;
    const separator = String.fromCharCode(SEPARATOR);
    const rows = await lakeRows(this.#session, sql);
    return new Map(rows.map(({ o }) => [`${partition}${separator}${String(o)}`, ""]));
  }

  async valuesOf(): Promise<ValueSums> {
    return new Map();
  }

  /** Each that counts, once: an event may be several rows, and a record that was set aside may have landed since. */
  async #records(): Promise<string> {
    const ranges = [...(this.#counted.offsets ?? [])].map(
      ([partition, { from, to }]) => `(p = ${partition} and o >= ${from} and o < ${to})`,
    );
    const within = ranges.length === 0 ? "false" : ranges.join(" or ");
    const all = await recordsText(this.#session, this.#from);
    return `select distinct p, o from (${all}) where ${within}`;
  }
}

/** The first offset that is accounted for, by partition. */
export async function firstOffsets(
  session: Session,
  from: RecordsFrom,
): Promise<ReadonlyMap<number, bigint>> {
  const all = await recordsText(session, from);
  const sql = `select p::varchar as p, min(o)::varchar as o from (${all}) where p is not null group by p`;
  const rows = await lakeRows(session, sql);
  return new Map(rows.map(({ p, o }) => [Number(p), BigInt(String(o))]));
}

/** What is said first of a record that is set aside, whatever is wrong with it. */
const SAID = `'^(?:\\{"_partition":|partition )(\\d+)(?:,"_offset":"|, offset )(\\d+)'`;

/** Partition and offset of each row, and of each that was set aside. */
async function recordsText(session: Session, { table, source }: RecordsFrom): Promise<string> {
  const landed = `select ${RECORD.partition}::bigint as p, ${RECORD.offset}::bigint as o
    from ${quoteQualified(table.split("."))}`;
  const { namespace, table: name } = splitName(table);
  const aside = `${namespace}_quarantine.${name}`;
  if ((await session.catalog.load(aside)) === null) return landed;
  const place = (group: number): string =>
    `try_cast(coalesce(nullif(regexp_extract(raw, ${SAID}, ${group}), ''),
      regexp_extract(message, ${SAID}, ${group})) as bigint)`;
  return `${landed} union all select ${place(1)}, ${place(2)}
    from ${quoteQualified(aside.split("."))} where source = ${quoteLiteral(source)}`;
}

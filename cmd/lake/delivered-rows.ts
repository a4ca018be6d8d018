/** The rows that a feed in bronze comes to, counted and summed as those of its source are. */

import type { DigestForm } from "../../core/ingest/digest-form.ts";
import { FEED } from "../../core/ingest/feed.ts";
import {
  type ComparedColumn,
  type CountedTable,
  type CursorBound,
  type RowSums,
  SEPARATOR,
  type ValueSums,
  WINDOWS,
  type WindowSum,
} from "../../core/ingest/reconcile.ts";
import type { TableName } from "../../core/table/types.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../../sql/syntax/quote.ts";
import { RUN_DIGITS } from "../../storage/sources/pull/place.ts";
import type { Session } from "../open.ts";
import { lakeRows } from "./query.ts";

/** Rows of a feed that are folded at once: more are folded in parts, by the hashes of their keys. */
const FOLDED_ROWS_MAX = 2_000_000;

/** Where rows are and which of them count. */
export interface DeliveredFrom {
  readonly table: TableName;
  /** The snapshot that is read; null: the table as it is. */
  readonly snapshotId: bigint | null;
  /** Rows before it, as the feed sorts them; null: all. */
  readonly until: string | null;
  /** False for a table that has one row for each key. */
  readonly isFeed: boolean;
}

export class DeliveredRows {
  readonly #session: Session;
  readonly #from: DeliveredFrom;
  readonly #counted: CountedTable;
  /** Parts that are folded one after the other. */
  readonly #parts: number;
  /** Some values were not sent, for they had not changed. */
  readonly #isPatched: boolean;

  private constructor(
    session: Session,
    from: DeliveredFrom,
    counted: CountedTable,
    seen: { readonly rows: number; readonly isPatched: boolean },
  ) {
    this.#session = session;
    this.#from = from;
    this.#counted = counted;
    this.#parts = Math.max(1, Math.ceil(seen.rows / FOLDED_ROWS_MAX));
    this.#isPatched = seen.isPatched;
  }

  static async of(
    session: Session,
    from: DeliveredFrom,
    counted: CountedTable,
  ): Promise<DeliveredRows> {
    const patched = from.isFeed ? `count(*) filter (len(${FEED.unchanged}) > 0)` : "0";
    const sql = `select count(*)::varchar as n, (${patched})::varchar as u from ${rowsOf(from)}`;
    const [row] = await lakeRows(session, sql);
    const seen = { rows: Number(row?.n ?? 0), isPatched: Number(row?.u ?? 0) > 0 };
    return new DeliveredRows(session, from, counted, seen);
  }

  async sums(): Promise<readonly WindowSum[]> {
    const byWindow = new Map<string, { rows: number; sum: bigint }>();
    for (let part = 0; part < this.#parts; part++) {
      const filter = this.#parts === 1 ? "" : `where hash(k) % ${this.#parts} = ${part}`;
      const sql = `${this.#folded(filter)} select ${this.#window("k")} as w, count(*)::varchar as n,
        sum(d)::varchar as s from folded where d is not null group by w`;
      for (const { w, n, s } of await lakeRows(this.#session, sql)) {
        const before = byWindow.get(String(w)) ?? { rows: 0, sum: 0n };
        const sum = before.sum + BigInt(String(s));
        byWindow.set(String(w), { rows: before.rows + Number(n), sum });
      }
    }
    return [...byWindow].map(([window, { rows, sum }]) => ({ window, rows, sum: String(sum) }));
  }

  async rowsOf(window: string): Promise<RowSums> {
    const sum = this.#counted.cursor === undefined ? "d" : "if(is_later, null, d)";
    const sql = `${this.#folded(this.#inWindow(window))} select k, (${sum})::varchar as d from folded`;
    const rows = await lakeRows(this.#session, sql);
    return new Map(rows.map(({ k, d }) => [String(k), d === null ? null : String(d)]));
  }

  async valuesOf(window: string, keys: readonly string[]): Promise<ValueSums> {
    const wanted = `k in (${keys.map(keyLiteral).join(", ")})`;
    const values = this.#counted.values.map((_, index) => `md5(v${index}) as m${index}`);
    const sql = `${this.#events(`${this.#inWindow(window)} and ${wanted}`)}, ${this.#known}
      select ${["k", ...values].join(", ")} from known where is_there`;
    const rows = await lakeRows(this.#session, sql);
    return new Map(
      rows.map((row) => {
        const sums = this.#counted.values.map((_, index) => row[`m${index}`] ?? null);
        return [String(row.k), sums.map((sum) => (sum === null ? null : String(sum)))];
      }),
    );
  }

  /** CTEs up to `folded`: keys that are there, with the hashes of their rows. */
  #folded(filter: string): string {
    if (this.#counted.cursor !== undefined) {
      return `${this.#events(filter)}, folded as (select k, arg_max(d, p) filter (not is_later) as d,
        bool_or(is_later) as is_later from events group by k)`;
    }
    const plain = `select k, arg_max(d, p) as d from events group by k having arg_max(is_there, p)`;
    if (!this.#isPatched) return `${this.#events(filter)}, folded as (${plain})`;
    const names = this.#counted.values.map((_, index) => `v${index}`);
    return `${this.#events(filter)},
      patched as (select distinct k from events where len(u) > 0),
      ${this.#known},
      folded as (
        select k, arg_max(d, p) as d from events anti join patched using (k)
          group by k having arg_max(is_there, p)
        union all select k, ${sumOf(joined(["k", ...names]))} from known semi join patched using (k)
          where is_there)`;
  }

  /** Of each key the last value that was sent of each column. */
  get #known(): string {
    const counting = this.#counted.cursor === undefined ? "" : " where not is_later";
    const values = this.#counted.values.map(
      ({ here }, index) =>
        `arg_max(v${index}, p) filter (not coalesce(list_contains(u, ${quoteLiteral(here)}), false)) as v${index}`,
    );
    return `known as (select ${["k", "arg_max(is_there, p) as is_there", ...values].join(", ")}
      from events${counting} group by k)`;
  }

  /** What happened to keys, each with the text of its key, and for rows their hash and the texts of their values. */
  #events(filter: string): string {
    const { key, values } = this.#counted;
    const { isFeed } = this.#from;
    const own = keyText(key, "feed");
    const names = values.map((_, index) => `v${index}`);
    const texts = values.map((column, index) => `${textOf(column)} as v${index}`);
    const row = sumOf(joined(["k", ...names]));
    const first = quoteIdentifier(key[0]?.here ?? "");
    if (!isFeed) {
      return `with feed as (select * from ${rowsOf(this.#from)}),
        texts as (select ${[`${own} as k`, ...texts].join(", ")} from feed),
        events as (select *, ${row} as d, '' as p, true as is_there, null::varchar[] as u
          from texts ${filter})`;
    }
    const before = keyText(key, `feed.${FEED.before}`);
    const none = names.map((name) => `null as ${name}`);
    const { cursor, isLoad = false } = this.#counted;
    const load = `substr(${FEED.position}, 1, ${RUN_DIGITS})`;
    const last = isLoad ? ` qualify ${load} = max(${load}) over ()` : "";
    const what = [
      `${FEED.position} as p`,
      `${FEED.op} <> 'd' as is_there`,
      `${FEED.unchanged} as u`,
      ...(cursor === undefined ? [] : [`${laterText(cursor)} as is_later`]),
    ];
    if (cursor !== undefined || isLoad) {
      // Rows as they are read: no change of a key, no deleted row, no cut.
      return `with feed as (select * from ${rowsOf(this.#from)}${last}),
        texts as (select ${[`${own} as k`, ...what, ...texts].join(", ")} from feed),
        events as (select *, ${row} as d from texts ${filter})`;
    }
    return `with feed as (select * from ${rowsOf(this.#from)}),
      cut as (select coalesce(max(${FEED.position}), '') as p from feed where ${FEED.op} = 't'),
      texts as (
        select ${[`${own} as k`, ...what, ...texts].join(", ")}
          from feed where ${FEED.op} not in ('t', 'm') and feed.${first} is not null
        union all select ${[before, FEED.position, "false", "null", ...none].join(", ")}
          from feed where ${FEED.op} = 'u' and ${FEED.before} is not null and ${before} <> ${own}),
      events as (select texts.*, ${row} as d from texts join cut on texts.p > cut.p ${filter})`;
  }

  #window(key: string): string {
    const { windows } = this.#counted;
    if (windows.kind !== "ranges") return `substr(md5(${key}), 1, 2)`;
    const offset = `(${key}::hugeint - ${windows.low})`;
    return `(case when ${offset} < 0 then -1
      else least(${offset} // ${windows.width}, ${WINDOWS}) end)::varchar`;
  }

  #inWindow(window: string): string {
    return `where ${this.#window("k")} = ${quoteLiteral(window)}`;
  }
}

/** A table's rows as they were at a snapshot, up to a position. */
function rowsOf({ table, snapshotId, until }: DeliveredFrom): string {
  const at = snapshotId === null ? "" : ` at (version => ${snapshotId})`;
  const before = until === null ? "" : ` where ${FEED.position} < ${quoteLiteral(until)}`;
  return `(from ${quoteQualified(table.split("."))}${at}${before})`;
}

/** The text of a key; no statement holds what stands between its parts. */
function keyLiteral(key: string): string {
  const parts = key.split(String.fromCharCode(SEPARATOR));
  return parts.map(quoteLiteral).join(` || chr(${SEPARATOR}) || `);
}

/** Whether a row has come since the rows were counted at the source. */
function laterText({ column, until }: CursorBound): string {
  const name = `feed.${quoteIdentifier(column.here)}`;
  if (until === null) return `${name} is not null`;
  // A text of an instant without a zone is in UTC.
  const text =
    column.form.kind === "micros" && !/[+-]\d\d(?::\d\d)?$/.test(until) ? `${until}+00` : until;
  return `coalesce(${name} > ${quoteLiteral(text)}, false)`;
}

function keyText(key: readonly ComparedColumn[], from: string): string {
  return joined(key.map(({ here, form }) => formText(`${from}.${quoteIdentifier(here)}`, form)));
}

/** Null and a text are told apart. */
function textOf({ here, form }: ComparedColumn): string {
  const name = `feed.${quoteIdentifier(here)}`;
  return `case when ${name} is null then '-' else '+' || ${formText(name, form)} end`;
}

function joined(texts: readonly string[]): string {
  return `concat_ws(chr(${SEPARATOR}), ${texts.join(", ")})`;
}

/** 60 bits of a text's hash. */
function sumOf(text: string): string {
  return `('0x' || substr(md5(${text}), 1, 15))::bigint`;
}

function formText(name: string, { kind }: DigestForm): string {
  switch (kind) {
    case "boolean":
      return `(case when ${name} then 't' else 'f' end)`;
    case "days":
      return `(${name} - date '1970-01-01')::varchar`;
    case "micros":
    case "time":
      return `epoch_us(${name})::varchar`;
    case "hex":
      return `lower(hex(${name}))`;
    case "bits":
      return `${name}::double::bit::varchar`;
    default:
      return `${name}::varchar`;
  }
}

/** What every table must hold, kept by plain SQL over the rows that were landed, without files, snapshots or plans. */

import type { RangeScope } from "../../core/engine.ts";
import type { TableName } from "../../core/table/types.ts";
import { type DuckDB, openDuckDB, type Row } from "../../sql/duckdb/duckdb.ts";
import {
  COLUMNS,
  type Code,
  computedSql,
  LATEST,
  type LawTable,
  LOG,
  plainSql,
  TABLES,
  winnersOf,
} from "./law-models.ts";

type Followed = typeof LOG | typeof LATEST;

/** Up to which step a model has read its inputs. */
interface Place {
  readonly step: number;
  readonly code: Code;
  readonly zone: string;
}

export class LawOracle implements AsyncDisposable {
  readonly #db: DuckDB;
  readonly #placeByTable = new Map<TableName, Place>();
  /** The last step that did more than add rows to the orders. */
  #wholeStep = 0;
  /** Counts commits to bronze. */
  step = 0;
  /** Of the project. */
  zone = "UTC";

  private constructor(db: DuckDB) {
    this.#db = db;
  }

  static async open(): Promise<LawOracle> {
    const db = await openDuckDB({
      threads: 1,
      memoryBytes: 1024 ** 3,
      tempFolder: null,
      allowedPaths: [],
      allowedFolders: [],
      lockdown: false,
      timezone: "UTC",
    });
    const place = "_batch varchar, _source_file varchar, _row bigint, _ingested_at timestamptz";
    await db.run(
      `create table orders(id bigint, v varchar, ts timestamp, n int, ${place}, step int, til int)`,
    );
    await db.run(`create table rates(v varchar, f int, since int, til int)`);
    const oracle = new LawOracle(db);
    const empty = oracle.#ordersAt(0);
    for (const table of [LOG, LATEST] as const) {
      const computed = computedSql(table, 1, empty, oracle.#ratesAt(0));
      await db.run(`create table ${x(table)} as select * exclude (way) from (${computed})`);
      await db.run(`create table ${aside(table)} as select * exclude (way) from (${computed})`);
    }
    for (const table of TABLES) {
      if (isFollowed(table)) continue;
      await db.run(`create table ${x(table)} as ${oracle.#plain(table)}`);
    }
    return oracle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close();
  }

  /** A SELECT of `orders` rows with their places. */
  async landOrders(sql: string): Promise<void> {
    this.step += 1;
    await this.#db.run(`insert into orders by name select *, ${this.step} as step from (${sql})`);
  }

  /** What there was at a step is what there is. */
  async restoreOrders(to: number): Promise<void> {
    this.step += 1;
    this.#wholeStep = this.step;
    const then = `step <= ${to} and (til is null or til > ${to})`;
    const same = "(_batch, _row) in (select (_batch, _row)";
    await this.#db.run(
      `create or replace temp table back as select * exclude (step, til) from orders
       where ${then} and not (${same} from orders where til is null))`,
    );
    await this.#db.run(
      `update orders set til = ${this.step} where til is null and not (${same} from orders where ${then}))`,
    );
    await this.#db.run(
      `insert into orders by name select *, ${this.step} as step, null as til from back`,
    );
  }

  /** The rows of a batch are in no table from here on. */
  async forgetOrders(batch: string): Promise<void> {
    this.step += 1;
    this.#wholeStep = this.step;
    await this.#db.run(
      `update orders set til = ${this.step} where til is null and _batch = '${batch}'`,
    );
  }

  async landRates(sql: string, overwrite: boolean): Promise<void> {
    this.step += 1;
    this.#wholeStep = this.step;
    if (overwrite) await this.#db.run(`update rates set til = ${this.step} where til is null`);
    await this.#db.run(
      `insert into rates by name select v, f, ${this.step} as since, null as til from (${sql})`,
    );
  }

  isCurrent(table: TableName): boolean {
    const place = this.#placeByTable.get(table);
    return place?.step === this.step && place.zone === this.zone;
  }

  /** How a model is to run that is due: whole only when its code or its other input changed. */
  modeOf(table: TableName, code: Code): "full" | "incremental" {
    const place = this.#placeByTable.get(table);
    const isNew = place === undefined || place.code !== code || place.step < this.#wholeStep;
    return isNew || place.zone !== this.zone ? "full" : "incremental";
  }

  /** A model was computed from everything, or from what was appended since its last run. */
  async built(table: LawTable, code: Code, mode: "full" | "incremental"): Promise<void> {
    if (!isFollowed(table)) return this.#recompute(table);
    const { step } = this;
    const from = mode === "full" ? 0 : (this.#placeByTable.get(table)?.step ?? 0);
    const delta = `select * from (${this.#ordersAt(step)}) where step > ${from}`;
    const computed = computedSql(table, code, delta, this.#ratesAt(step));
    const kept = `select * exclude (way) from (${computed}) where way = 'keep'`;
    const stored = mode === "full" ? kept : `select * from ${x(table)} union all ${kept}`;
    const rows = table === LATEST ? winnersOf(stored) : stored;
    await this.#db.run(`create or replace temp table fresh as ${rows}`);
    await this.#db.run(`create or replace table ${x(table)} as from fresh`);
    if (mode === "full") await this.#db.run(`delete from ${aside(table)}`);
    await this.#db.run(
      `insert into ${aside(table)} select * exclude (way) from (${computed}) where way = 'quarantine'`,
    );
    this.#placeByTable.set(table, { step, code, zone: this.zone });
  }

  /** A range was computed again from what the model had read. */
  async ranged(table: LawTable, code: Code, scope: RangeScope): Promise<void> {
    if (!isFollowed(table)) return;
    const step = this.#placeByTable.get(table)?.step ?? 0;
    const orders = this.#ordersAt(step);
    const computed = computedSql(table, code, orders, this.#ratesAt(step));
    await this.#db.run(`create or replace temp table computed as ${computed}`);
    await this.#db.run(
      `create or replace temp table scope as select _batch, _row from (${orders}) where ${within(scope)}`,
    );
    const inScope = "(_batch, _row) in (from scope)";
    if (table === LOG) {
      await this.#db.run(`delete from ${x(table)} where ${inScope}`);
      await this.#db.run(`delete from ${aside(table)} where ${inScope}`);
      await this.#insert(table, `select * from computed where ${inScope}`);
    } else {
      await this.#db.run(
        `create or replace temp table touched as select id from computed where ${inScope} and id is not null
         union select id from ${x(table)} where ${inScope}`,
      );
      const isTouched = "id in (from touched)";
      await this.#db.run(`delete from ${x(table)} where ${isTouched}`);
      await this.#db.run(`delete from ${aside(table)} where ${inScope} or ${isTouched}`);
      await this.#insert(
        table,
        `select * from computed where ${isTouched} or (id is null and ${inScope})`,
      );
    }
    // Its place stays: rows outside the range are of the code that they were of.
  }

  /** What the table must hold, every column. */
  rows(table: LawTable): Promise<Row[]> {
    return this.#db.rows(`select ${COLUMNS[table]} from ${x(table)} order by all`);
  }

  /** What its quarantine must hold: the places, and a value. */
  async asideRows(table: LawTable): Promise<Row[]> {
    if (!isFollowed(table)) return [];
    return this.#db.rows(
      `select _source_file as file, 'row ' || _row as position, _batch, n::varchar as n, f::varchar as f
       from ${aside(table)} order by all`,
    );
  }

  /** What the table would hold if everything were computed at once, with this code. */
  oneShot(table: LawTable, code: Code): Promise<Row[]> {
    const orders = this.#ordersAt(this.step);
    const all = (of: Followed) => {
      const computed = computedSql(of, code, orders, this.#ratesAt(this.step));
      const kept = `select * exclude (way) from (${computed}) where way = 'keep'`;
      return of === LATEST ? winnersOf(kept) : kept;
    };
    const sql = isFollowed(table)
      ? all(table)
      : plainSql(table, { log: all(LOG), latest: all(LATEST), orders, zone: this.zone });
    return this.#db.rows(`select ${COLUMNS[table]} from (${sql}) order by all`);
  }

  async #insert(table: Followed, computed: string): Promise<void> {
    const kept = `select * exclude (way) from (${computed}) where way = 'keep'`;
    await this.#db.run(`insert into ${x(table)} ${table === LATEST ? winnersOf(kept) : kept}`);
    await this.#db.run(
      `insert into ${aside(table)} select * exclude (way) from (${computed}) where way = 'quarantine'`,
    );
  }

  async #recompute(table: Exclude<LawTable, Followed>): Promise<void> {
    await this.#db.run(`create or replace table ${x(table)} as ${this.#plain(table)}`);
  }

  #plain(table: Exclude<LawTable, Followed>): string {
    const from = { log: `from ${x(LOG)}`, latest: `from ${x(LATEST)}` };
    return plainSql(table, { ...from, orders: this.#ordersAt(this.step), zone: this.zone });
  }

  #ordersAt(step: number): string {
    return `select * exclude (til) from orders where step <= ${step} and (til is null or til > ${step})`;
  }

  #ratesAt(step: number): string {
    return `select v, f from rates where since <= ${step} and (til is null or til > ${step})`;
  }
}

function isFollowed(table: LawTable): table is Followed {
  return table === LOG || table === LATEST;
}

function within({ column, fromMs, toMs }: RangeScope): string {
  const clock = column === "ts" ? "ts at time zone 'UTC'" : column;
  const instant = (ms: number) => `make_timestamptz(${BigInt(ms) * 1000n})`;
  const parts = [
    ...(fromMs === null ? [] : [`${clock} >= ${instant(fromMs)}`]),
    ...(toMs === null ? [] : [`${clock} < ${instant(toMs)}`]),
  ];
  return parts.length === 0 ? "true" : parts.join(" and ");
}

function x(table: LawTable): string {
  return `x_${table.replace(".", "_")}`;
}

function aside(table: Followed): string {
  return `aside_${table.replace(".", "_")}`;
}

/** Whether a model's table holds what one plain statement over its inputs gives, asked of a DuckDB of its own. */

import type { TableName } from "../../core/table/types.ts";
import type { DuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { openTestDuckDB } from "../support/test-lake.ts";
import { BRONZE, type MODEL_TABLES, oneShot } from "./files-scenario.ts";
import { RowReader } from "./row-reader.ts";

type Model = (typeof MODEL_TABLES)[number];

export class ModelCheck implements AsyncDisposable {
  readonly #db: DuckDB;
  readonly #reader = new RowReader();
  /** By statement and contents of all files: most lakes of a sweep are the same. */
  readonly #known = new Map<string, string | null>();

  static async open(): Promise<ModelCheck> {
    return new ModelCheck(await openTestDuckDB());
  }

  private constructor(db: DuckDB) {
    this.#db = db;
  }

  /** What differs between a model's rows and its statement over its inputs; null when nothing does. */
  async difference(
    model: Model,
    hash: string,
    rows: readonly string[],
    inputs: ReadonlyMap<TableName, readonly string[]>,
  ): Promise<string | null> {
    const bronze = inputs.get(BRONZE) ?? [];
    const silver = inputs.get("silver.orders") ?? [];
    return await this.#compare(oneShot(model, hash), rows, bronze, silver);
  }

  /** The same for gold, over bronze alone. */
  async goldDifference(
    silverHash: string,
    rows: readonly string[],
    bronze: readonly string[],
  ): Promise<string | null> {
    const silver = oneShot("silver.orders", silverHash);
    const sql = `with silver as (${silver}) ${oneShot("gold.daily", "")}`;
    return await this.#compare(sql, rows, bronze, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close();
  }

  async #compare(
    sql: string,
    rows: readonly string[],
    bronze: readonly string[],
    silver: readonly string[],
  ): Promise<string | null> {
    const all = [rows, bronze, silver].map((paths) => paths.map((path) => this.#reader.hash(path)));
    const key = `${sql} ${JSON.stringify(all)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const answer = await this.#ask(sql, rows, bronze, silver);
    this.#known.set(key, answer);
    return answer;
  }

  async #ask(
    sql: string,
    rows: readonly string[],
    bronze: readonly string[],
    silver: readonly string[],
  ): Promise<string | null> {
    if (rows.length === 0) return "it has no files";
    const views = [
      ...(bronze.length > 0 ? [`bronze as (select * from ${filesSql(bronze)})`] : []),
      ...(silver.length > 0 ? [`silver as (select * from ${filesSql(silver)})`] : []),
      `want as (${sql})`,
    ];
    const columns = (await this.#db.rows(`describe with ${views.join(", ")} select * from want`))
      .map((row) => String(row.column_name))
      .join(", ");
    const found = await this.#db.rows(`with ${views.join(", ")},
      found as (select ${columns} from ${filesSql(rows)})
      select (select count(*) from (from found except all from want)) as surplus,
        (select count(*) from (from want except all from found)) as missing`);
    const { surplus, missing } = found[0] ?? {};
    if (Number(surplus) === 0 && Number(missing) === 0) return null;
    return `${surplus} rows too many and ${missing} missing, against ${sql}`;
  }
}

function filesSql(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quoteLiteral).join(", ")}], union_by_name = true)`;
}

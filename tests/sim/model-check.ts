/** Whether a model's table holds what one plain statement over its inputs gives, asked of a DuckDB of its own. */

import type { TableName } from "../../core/table/types.ts";
import type { DuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { openTestDuckDB } from "../support/test-lake.ts";
import { BRONZE, type MODEL_TABLES, oneShot } from "./files-scenario.ts";
import { RowReader } from "./row-reader.ts";

type Model = (typeof MODEL_TABLES)[number];

/** The files of a table at a snapshot. */
export interface TableFiles {
  readonly data: readonly {
    readonly localPath: string;
    /** What position deletes call it. */
    readonly path: string;
  }[];
  /** Local paths of position deletes. */
  readonly deletes: readonly string[];
}

const NO_FILES: TableFiles = { data: [], deletes: [] };

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
    rows: TableFiles,
    inputs: ReadonlyMap<TableName, TableFiles>,
  ): Promise<string | null> {
    const bronze = inputs.get(BRONZE) ?? NO_FILES;
    const silver = inputs.get("silver.orders") ?? NO_FILES;
    return await this.#compare(oneShot(model, hash), rows, bronze, silver);
  }

  /** The same for gold, over bronze alone. */
  async goldDifference(
    silverHash: string,
    rows: TableFiles,
    bronze: TableFiles,
  ): Promise<string | null> {
    const silver = oneShot("silver.orders", silverHash);
    const sql = `with silver as (${silver}) ${oneShot("gold.daily", "")}`;
    return await this.#compare(sql, rows, bronze, NO_FILES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.close();
  }

  async #compare(
    sql: string,
    rows: TableFiles,
    bronze: TableFiles,
    silver: TableFiles,
  ): Promise<string | null> {
    const all = [rows, bronze, silver].map(({ data, deletes }) =>
      [...data.map(({ localPath }) => localPath), ...deletes].map((path) =>
        this.#reader.hash(path),
      ),
    );
    const key = `${sql} ${JSON.stringify(all)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const answer = await this.#ask(sql, rows, bronze, silver);
    this.#known.set(key, answer);
    return answer;
  }

  async #ask(
    sql: string,
    rows: TableFiles,
    bronze: TableFiles,
    silver: TableFiles,
  ): Promise<string | null> {
    if (rows.data.length === 0) return "it has no files";
    const views = [
      ...(bronze.data.length > 0 ? [`bronze as (select * from ${filesSql(bronze)})`] : []),
      ...(silver.data.length > 0 ? [`silver as (select * from ${filesSql(silver)})`] : []),
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

function filesSql({ data, deletes }: TableFiles): string {
  const list = (texts: readonly string[]): string => `[${texts.map(quoteLiteral).join(", ")}]`;
  const local = list(data.map(({ localPath }) => localPath));
  if (deletes.length === 0) return `read_parquet(${local}, union_by_name = true)`;
  const named = `select unnest(${local}) as f, unnest(${list(data.map(({ path }) => path))}) as file_path`;
  const dead = `select f, pos from read_parquet(${list(deletes)}) join (${named}) using (file_path)`;
  const options = "union_by_name = true, filename = true, file_row_number = true";
  return `(select d.* exclude (filename, file_row_number) from read_parquet(${local}, ${options}) as d
    anti join (${dead}) as x on x.f = d.filename and x.pos = d.file_row_number)`;
}

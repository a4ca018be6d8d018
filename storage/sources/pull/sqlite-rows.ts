/** Rows of an SQLite file, summed here: SQLite has no hashes. */

import { compareCodePoints } from "../../../core/base/order.ts";
import type { DigestForm } from "../../../core/ingest/digest-form.ts";
import {
  type ComparedColumn,
  type CountAsk,
  type CountedTable,
  type CursorBound,
  type RowSums,
  SEPARATOR,
  type ValueSums,
} from "../../../core/ingest/reconcile.ts";
import { boundOf, type CountedBy, comparedColumns } from "../compared-columns.ts";
import type { PulledTable, RowTexts } from "./database.ts";
import type { RowCounter } from "./row-counter.ts";
import type { PullSettings } from "./settings.ts";
import { SqliteDatabase } from "./sqlite.ts";

/** Texts are ordered by their bytes on both sides. */
const ORDERED: ReadonlySet<string> = new Set(["whole", "decimal", "text"]);

export class SqliteCounter implements RowCounter {
  readonly #database: SqliteDatabase;

  private constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  static open({ url }: PullSettings, projectRoot: string): SqliteCounter {
    return new SqliteCounter(SqliteDatabase.open(url, projectRoot));
  }

  async count(ask: CountAsk, by: CountedBy): Promise<CountedTable | string> {
    const table = await this.#database.describe(ask.table);
    const compared = comparedColumns(
      ask,
      table.columns.map(({ name, type }) => {
        const place = table.key.indexOf(name);
        return { name, natural: type, keyPlace: place < 0 ? null : place };
      }),
      by,
    );
    if (typeof compared === "string") return compared;
    const windows = { kind: "hashes" } as const;
    const counted = { table: ask.table, ...compared, windows };
    const sums = new Map<string, { rows: number; sum: bigint }>();
    let greatest: string | null = null;
    const cursor = await boundOf(compared, by, async () => null, ORDERED);
    if (typeof cursor === "string") return cursor;
    // All rows are of one moment, and so is the greatest of their cursors.
    await this.#each(counted, ({ key, row, texts }) => {
      const before = sums.get(windowOf(key)) ?? { rows: 0, sum: 0n };
      sums.set(windowOf(key), { rows: before.rows + 1, sum: before.sum + BigInt(sumOf(row)) });
      const own = cursor === null ? null : (texts.get(cursor.column) ?? null);
      if (own !== null && isBehind(own, greatest, cursor)) greatest = own;
    });
    return {
      ...counted,
      sums: [...sums].map(([window, { rows, sum }]) => ({ window, rows, sum: String(sum) })),
      ...(cursor === null ? {} : { cursor: { ...cursor, until: greatest } }),
    };
  }

  async rowsOf(table: CountedTable, window: string): Promise<RowSums> {
    const found = new Map<string, string | null>();
    const { cursor = null } = table;
    await this.#each(table, ({ key, row, texts }) => {
      if (windowOf(key) !== window) return;
      const own = cursor === null ? null : (texts.get(cursor.column) ?? null);
      const isLater = own !== null && isBehind(own, cursor?.until ?? null, cursor);
      found.set(key, isLater ? null : sumOf(row));
    });
    return found;
  }

  async valuesOf(
    table: CountedTable,
    _window: string,
    keys: readonly string[],
  ): Promise<ValueSums> {
    const wanted = new Set(keys);
    const found = new Map<string, readonly (string | null)[]>();
    await this.#each(table, ({ key, values }) => {
      if (wanted.has(key)) found.set(key, values.map(md5));
    });
    return found;
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  async #each(
    counted: Pick<CountedTable, "table" | "key" | "values">,
    take: (row: CountedRow) => void,
  ) {
    const table = await this.#database.describe(counted.table);
    await this.#database.all(table, async (rows) => {
      for (const row of rows) take(rowOf(table, counted, row));
    });
  }
}

interface CountedRow {
  readonly key: string;
  /** Key and values in one text. */
  readonly row: string;
  readonly values: readonly string[];
  readonly texts: ReadonlyMap<ComparedColumn, string | null>;
}

function rowOf(
  { columns }: PulledTable,
  { key, values }: Pick<CountedTable, "key" | "values">,
  row: RowTexts,
): CountedRow {
  const texts = new Map(
    [...key, ...values].map((column) => {
      const text = row[columns.findIndex(({ name }) => name === column.name)] ?? null;
      return [column, text === null ? null : formText(text, column.form)] as const;
    }),
  );
  const separator = String.fromCharCode(SEPARATOR);
  const own = key.flatMap((column) => texts.get(column) ?? []).join(separator);
  const others = values.map((column) => {
    const text = texts.get(column) ?? null;
    return text === null ? "-" : `+${text}`;
  });
  return { key: own, row: [own, ...others].join(separator), values: others, texts };
}

/** From what PostgreSQL writes, as SQLite's values are told. */
function formText(text: string, form: DigestForm): string {
  if (form.kind === "hex") return text.replace(/^\\x/, "");
  if (form.kind === "bits") return bitsOf(Number(text));
  if (form.kind !== "decimal") return text;
  const [, whole, fraction = ""] = /^(-?\d+)(?:\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined || fraction.length > form.scale) return text;
  return form.scale === 0 ? whole : `${whole}.${fraction.padEnd(form.scale, "0")}`;
}

function bitsOf(value: number): string {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, value);
  return bytes.getBigUint64(0).toString(2).padStart(64, "0");
}

/** Whether a cursor is greater than another one; null: than none. */
function isBehind(text: string, other: string | null, cursor: CursorBound | null): boolean {
  if (other === null) return true;
  if (cursor?.column.form.kind === "text") return compareCodePoints(text, other) > 0;
  const digits = (value: string): bigint => BigInt(value.replace(".", ""));
  return digits(text) > digits(other);
}

function windowOf(key: string): string {
  return md5(key).slice(0, 2);
}

/** 60 bits of a text's hash. */
function sumOf(text: string): string {
  return String(BigInt(`0x${md5(text).slice(0, 15)}`));
}

function md5(text: string): string {
  return new Bun.CryptoHasher("md5").update(text).digest("hex");
}

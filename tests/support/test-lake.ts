/** A lookup over a few Parquet files, so that sessions and shells can be tested without a catalog. */

import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import type { DataFile, Scan, Type } from "../../core/table/types.ts";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import type { SystemTable } from "../../sql/query/session-table.ts";
import type { FoundTables, TableLookup } from "../../sql/query/table-lookup.ts";
import { quoteTargetPath } from "../../sql/syntax/quote.ts";

const LONG: Type = { kind: "primitive", name: "long" };
const STRING: Type = { kind: "primitive", name: "string" };

/** An engine for one person's own shell. */
export function openTestDuckDB(): Promise<DuckDB> {
  return openDuckDB({
    threads: 2,
    memoryBytes: 1_000_000_000,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
    timezone: "UTC",
  });
}

/** `silver.orders` with two snapshots of one and three rows, and the view `gold.daily` over it. */
export class TestLake implements TableLookup {
  readonly systemTablesAsked: string[] = [];
  readonly #scans: readonly Scan[];

  private constructor(scans: readonly Scan[]) {
    this.#scans = scans;
  }

  static async create(folder: string): Promise<TestLake> {
    const db = await openTestDuckDB();
    const values = ["(1, 'new', 500)", "(2, 'paid', 1000), (3, 'paid', 250)"];
    const paths: string[] = [];
    for (const [index, rows] of values.entries()) {
      const path = join(folder, `part-${index}.parquet`);
      await db.run(
        `COPY (SELECT id::BIGINT AS id, status, amount::BIGINT AS amount FROM (VALUES ${rows}) ` +
          `t(id, status, amount)) TO ${quoteTargetPath(path)} ` +
          "(FORMAT parquet, FIELD_IDS {id: 1, status: 2, amount: 3})",
      );
      paths.push(path);
    }
    await db.close();
    return new TestLake([scanOf(paths.slice(0, 1), 1n), scanOf(paths, 2n)]);
  }

  async find(refs: readonly TableRef[], asOf: string | null): Promise<FoundTables> {
    const bindings: Binding[] = [];
    const notes: string[] = [];
    for (const ref of refs) {
      const [name = "", suffix] = ref.name.toLowerCase().split("@");
      const isFirst = (ref.at?.value ?? suffix ?? (asOf === null ? "2" : "1")) === "1";
      const scan = this.#scans[isFirst ? 0 : 1];
      if (scan === undefined) throw new LakeError("not-found", "no snapshot");
      if (name === "silver.orders" || name === "orders") bindings.push({ kind: "scan", ref, scan });
      if (name === "gold.daily") {
        const inner: TableRef = { name: "silver.orders", at: null, offset: null };
        const sql = "SELECT status, count(*) AS n FROM silver.orders GROUP BY 1";
        bindings.push({
          kind: "view",
          ref,
          sql,
          bindings: [{ kind: "scan", ref: inner, scan }],
        });
        notes.push("gold.daily is stale: its last run failed");
      }
    }
    return { bindings, notes };
  }

  async checkBranch(name: string): Promise<void> {
    throw new LakeError("not-found", `there is no branch "${name}"`);
  }

  async tableNames(): Promise<readonly string[]> {
    return ["gold.daily", "silver.orders"];
  }

  async columnNames(table: string): Promise<readonly string[]> {
    return /orders$/i.test(table) ? ["id", "status", "amount"] : [];
  }

  async systemTable(ref: TableRef): Promise<SystemTable | null> {
    const rows: Json[][] = [
      ["a", 1n],
      ["b", 9007199254740993n],
    ];
    if (ref.name !== "lake.runs" && ref.name !== "orders$snapshots") return null;
    this.systemTablesAsked.push(ref.name);
    return {
      columns: [
        { name: "run", type: STRING },
        { name: "rows", type: LONG },
      ],
      rows,
    };
  }
}

function scanOf(paths: readonly string[], sequenceNumber: bigint): Scan {
  return {
    table: "silver.orders",
    uuid: "0b0a7c1e-0000-4000-8000-000000000001",
    snapshotId: sequenceNumber * 100n,
    sequenceNumber,
    schema: {
      schemaId: 0,
      fields: [
        { id: 1, name: "id", required: false, type: LONG },
        { id: 2, name: "status", required: false, type: STRING },
        { id: 3, name: "amount", required: false, type: LONG },
      ],
    },
    files: paths.map((localPath) => ({ localPath, file: dataFile(localPath) })),
    deletes: [],
  };
}

function dataFile(path: string): DataFile {
  return {
    content: "data",
    path: `file://${path}`,
    format: "PARQUET",
    specId: 0,
    partition: [],
    recordCount: 1n,
    sizeBytes: BigInt(Bun.file(path).size),
    metrics: new Map(),
    splitOffsets: null,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: 1n,
    fileSequenceNumber: 1n,
    snapshotId: 1n,
  };
}

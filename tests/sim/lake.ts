/** A real catalog over a chosen disk, with a table of ids, for tests of commits. */

import type { StagedFile } from "../../core/engine.ts";
import type { Change, CommitResult, Fact, TableChange } from "../../core/table/commit.ts";
import type { DataFile, Schema, TableName } from "../../core/table/types.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import type { Disk } from "../../storage/disk/disk.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { rowFiles } from "../../storage/parquet/write.ts";
import { SimClock, SimRandom } from "./world.ts";

export const IDS: Schema = {
  schemaId: 0,
  fields: [{ id: 1, name: "id", required: false, type: { kind: "primitive", name: "long" } }],
};
const UNPARTITIONED = { specId: 0, fields: [] };

export interface TestCatalogOptions {
  readonly root: string;
  readonly disk?: Disk;
  readonly clock?: SimClock;
  readonly seed?: number;
  readonly readonly?: boolean;
  readonly keep?: { readonly snapshotsMs: number; readonly lagMs: number };
}

export class TestCatalog {
  readonly catalog: LakeCatalog;
  readonly files: LocalFiles;
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly #uuidByName = new Map<TableName, string>();

  static async open(options: TestCatalogOptions): Promise<TestCatalog> {
    const clock = options.clock ?? new SimClock();
    const random = new SimRandom(options.seed ?? 1);
    const { root, readonly = false } = options;
    const disk = options.disk === undefined ? {} : { disk: options.disk };
    const files = await LocalFiles.open({ root, random, readonly, ...disk });
    const keep = options.keep === undefined ? {} : { keep: options.keep };
    const catalog = await LakeCatalog.open({ io: files, clock, random, readonly, ...keep });
    return new TestCatalog(catalog, files, clock, random);
  }

  private constructor(catalog: LakeCatalog, files: LocalFiles, clock: SimClock, random: SimRandom) {
    this.catalog = catalog;
    this.files = files;
    this.clock = clock;
    this.random = random;
  }

  /** Ids as an adopted data file of a table, as a worker would hand it over. */
  async adopt(name: TableName, ids: readonly number[]): Promise<DataFile[]> {
    const staging = await this.files.stagingFolder(this.random.uuid());
    const rows = ids.map((id) => ({ id: BigInt(id) }));
    const staged: StagedFile = await rowFiles.write(`${staging}/a.parquet`, IDS, rows);
    const uuid = await this.uuidOf(name);
    return await this.catalog.adopt({ name, uuid, schema: IDS, spec: UNPARTITIONED }, [staged]);
  }

  /** An append of ids; makes the table when it is absent. */
  async appendChange(name: TableName, ids: readonly number[]): Promise<TableChange> {
    const table = await this.catalog.load(name);
    const added = await this.adopt(name, ids);
    const create =
      table === null
        ? {
            schema: IDS,
            spec: UNPARTITIONED,
            sortOrder: { orderId: 0, fields: [] },
            properties: {},
          }
        : null;
    return {
      table: name,
      uuid: await this.uuidOf(name),
      create,
      base: table?.current?.snapshotId ?? null,
      schema: null,
      operation: "append",
      added,
      removed: [],
      summary: {},
    };
  }

  async append(
    name: TableName,
    ids: readonly number[],
    facts: readonly Fact[] = [],
  ): Promise<CommitResult> {
    const change = await this.appendChange(name, ids);
    return await this.catalog.commit(changeOf([change], { facts }));
  }

  /** Ids of a table at its current snapshot (or another), sorted. */
  async ids(name: TableName, snapshotId?: bigint): Promise<number[]> {
    const table = await this.catalog.load(name);
    if (table === null) return [];
    const snapshot =
      snapshotId === undefined
        ? table.current
        : (table.snapshots.find((one) => one.snapshotId === snapshotId) ?? null);
    const { files } = await this.catalog.scan(table, snapshot);
    const { parquetReadObjects } = await import("hyparquet");
    const { compressors } = await import("hyparquet-compressors");
    const ids: number[] = [];
    for (const { localPath } of files) {
      const file = await Bun.file(localPath).arrayBuffer();
      for (const row of await parquetReadObjects({ file, compressors })) ids.push(Number(row.id));
    }
    return ids.sort((a, b) => a - b);
  }

  async uuidOf(name: TableName): Promise<string> {
    const table = await this.catalog.load(name);
    const uuid = table?.uuid ?? this.#uuidByName.get(name) ?? this.random.uuid();
    this.#uuidByName.set(name, uuid);
    return uuid;
  }
}

/** A change of kind `land` around table changes. */
export function changeOf(tables: readonly TableChange[], more: Partial<Change> = {}): Change {
  return {
    kind: "land",
    tables,
    facts: [],
    batches: [],
    withdrawn: [],
    runs: [],
    message: "test",
    ...more,
  };
}

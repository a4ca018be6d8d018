/** Scans and deltas: the files that are read, and the reasons when there is no delta. */

import { describe, expect, test } from "bun:test";
import type { ScanFilter } from "../../../../core/ports.ts";
import type { ColumnMetrics, PartitionSpec, Scan } from "../../../../core/table/types.ts";
import type { TableMetadata } from "../../../../storage/iceberg/metadata.ts";
import { type PlanInput, planDelta, planScan } from "../../../../storage/iceberg/plan.ts";
import { encodeSingleValue } from "../../../../storage/iceberg/single-value.ts";
import type { Staged } from "../../../../storage/iceberg/transaction.ts";
import {
  BY_DAY,
  change,
  creation,
  dataFile,
  LOCATION,
  MemoryLake,
  primitive,
  SCHEMA,
  UNPARTITIONED,
} from "./memory-files.ts";

function planInput(lake: MemoryLake, metadata: TableMetadata): PlanInput {
  return { table: "bronze.orders", metadata, manifests: lake.manifests() };
}

function names(scan: Scan): string[] {
  return scan.files
    .map((file) => file.localPath.split("/").at(-1)?.replace(".parquet", "") ?? "")
    .sort();
}

async function scanned(lake: MemoryLake, staged: Staged, filter: ScanFilter): Promise<string[]> {
  return names(await planScan(planInput(lake, staged.metadata), staged.snapshot, filter));
}

function bounds(
  lower: bigint,
  upper: bigint,
  more: ColumnMetrics = {},
): ReadonlyMap<number, ColumnMetrics> {
  const encode = (value: bigint): Uint8Array => encodeSingleValue(primitive("long"), value);
  return new Map([
    [1, { valueCount: 10n, nullCount: 0n, lower: encode(lower), upper: encode(upper), ...more }],
  ]);
}

describe("scan", () => {
  test("pins the files of a snapshot under the root of the lake", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("b")] }));
    const input = planInput(lake, second.metadata);
    const old = await planScan(input, first.snapshot);
    expect(old).toMatchObject({
      table: "bronze.orders",
      snapshotId: 1001n,
      sequenceNumber: 1n,
      deletes: [],
    });
    expect(old.files.map((file) => file.localPath)).toEqual([
      "/lake/bronze/orders-0a1b2c3d/data/a.parquet",
    ]);
    expect(names(await planScan(input, second.snapshot))).toEqual(["a", "b"]);
    expect((await planScan(input, null)).files).toEqual([]);
  });

  test("an earlier snapshot has its own columns, the current one today's", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const wider = {
      schemaId: 0,
      fields: [
        ...SCHEMA.fields,
        { id: 4, name: "note", required: false, type: primitive("string") },
      ],
    };
    const second = await lake.commit(
      first,
      change({ base: 1001n, schema: wider, added: [dataFile("b")] }),
    );
    expect(
      (await planScan(planInput(lake, second.metadata), first.snapshot)).schema.fields,
    ).toHaveLength(3);
    expect(
      (await planScan(planInput(lake, second.metadata), second.snapshot)).schema.fields,
    ).toHaveLength(4);
  });

  test("reads each manifest once", async () => {
    const lake = new MemoryLake();
    const staged = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const input = planInput(lake, staged.metadata);
    lake.reads.length = 0;
    for (let round = 0; round < 3; round++) await planScan(input, staged.snapshot);
    expect(lake.reads).toHaveLength(2);
  });
});

describe("pruning by bounds", () => {
  const files = [
    dataFile("low", [], { metrics: bounds(1n, 10n) }),
    dataFile("high", [], { metrics: bounds(11n, 20n) }),
    dataFile("nulls", [], { metrics: new Map([[1, { valueCount: 10n, nullCount: 10n }]]) }),
    dataFile("unknown"),
    dataFile("nonsense", [], { metrics: bounds(9n, 2n) }),
  ];
  const cases: readonly [ScanFilter[number]["op"], readonly (bigint | number)[], string[]][] = [
    ["=", [5n], ["low"]],
    ["=", [11], ["high"]],
    ["=", [99n], []],
    ["<", [11n], ["low"]],
    ["<", [1n], []],
    ["<=", [1n], ["low"]],
    [">", [10n], ["high"]],
    [">", [20n], []],
    [">=", [20n], ["high"]],
    ["in", [0n, 12n], ["high"]],
    ["in", [10n, 11n], ["high", "low"]],
    ["is-null", [], ["nulls"]],
    ["not-null", [], ["high", "low"]],
  ];

  test("keeps what can match, and all that it does not know", async () => {
    const lake = new MemoryLake();
    const staged = await lake.commit(null, creation(UNPARTITIONED, files));
    for (const [op, values, expected] of cases) {
      const kept = await scanned(lake, staged, [{ column: "id", op, values }]);
      expect([op, values, kept]).toEqual([op, values, [...expected, "nonsense", "unknown"].sort()]);
    }
    const all = ["high", "low", "nonsense", "nulls", "unknown"];
    expect(await scanned(lake, staged, [{ column: "nix", op: "=", values: [1n] }])).toEqual(all);
    expect(await scanned(lake, staged, [{ column: "id", op: "=", values: [1.5] }])).toEqual(all);
    expect(await scanned(lake, staged, [{ column: "id", op: "=", values: [null] }])).toEqual(all);
  });

  test("NaN is greater than all and zeros are equal, as in the engine", async () => {
    const schema = {
      schemaId: 0,
      fields: [{ id: 1, name: "x", required: false, type: primitive("double") }],
    };
    const encode = (value: number): Uint8Array => encodeSingleValue(primitive("double"), value);
    const metrics = (
      lower: number,
      upper: number,
      nanCount?: bigint,
    ): ReadonlyMap<number, ColumnMetrics> =>
      new Map([
        [
          1,
          {
            lower: encode(lower),
            upper: encode(upper),
            ...(nanCount === undefined ? {} : { nanCount }),
          },
        ],
      ]);
    const lake = new MemoryLake();
    const made = creation(UNPARTITIONED, [
      dataFile("maybe", [], { metrics: metrics(1, 2) }),
      dataFile("none", [], { metrics: metrics(1, 2, 0n) }),
      dataFile("zero", [], { metrics: metrics(-0, -0, 0n) }),
    ]);
    const create = made.create === null ? null : { ...made.create, schema };
    const staged = await lake.commit(null, { ...made, create });
    expect(await scanned(lake, staged, [{ column: "x", op: ">", values: [5] }])).toEqual(["maybe"]);
    expect(await scanned(lake, staged, [{ column: "x", op: "<", values: [1] }])).toEqual(["zero"]);
    expect(await scanned(lake, staged, [{ column: "x", op: ">=", values: [2] }])).toEqual([
      "maybe",
      "none",
    ]);
    expect(await scanned(lake, staged, [{ column: "x", op: "=", values: [0] }])).toEqual(["zero"]);
  });
});

describe("pruning by partitions", () => {
  test("by tuple, and whole manifests by their summaries", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(
      null,
      creation(BY_DAY, [dataFile("d1", [1]), dataFile("dn", [null])]),
    );
    const second = await lake.commit(
      first,
      change({ base: 1001n, added: [dataFile("d5", [5]), dataFile("d6", [6])] }),
    );
    expect(await scanned(lake, second, [{ column: "day", op: "=", values: [5] }])).toEqual(["d5"]);
    expect(await scanned(lake, second, [{ column: "day", op: ">=", values: [6] }])).toEqual(["d6"]);
    expect(await scanned(lake, second, [{ column: "day", op: "is-null", values: [] }])).toEqual([
      "dn",
    ]);
    lake.reads.length = 0;
    expect(await scanned(lake, second, [{ column: "day", op: "<", values: [2] }])).toEqual(["d1"]);
    expect(lake.reads.filter((path) => path.includes("-m"))).toHaveLength(1);
  });

  test("through transforms, inclusively", async () => {
    const spec: PartitionSpec = {
      specId: 0,
      fields: [
        { sourceId: 1, fieldId: 1000, name: "id_bucket", transform: "bucket[16]" },
        { sourceId: 2, fieldId: 1001, name: "name_trunc", transform: "truncate[2]" },
        { sourceId: 3, fieldId: 1002, name: "day_year", transform: "year" },
        { sourceId: 3, fieldId: 1003, name: "odd", transform: "zorder[9]" },
      ],
    };
    const lake = new MemoryLake();
    const bucketOf34 = 2017239379 % 16;
    const other = (bucketOf34 + 1) % 16;
    const staged = await lake.commit(
      null,
      creation(spec, [
        dataFile("a", [bucketOf34, "ab", 47, null]),
        dataFile("b", [other, "cd", 48, null]),
      ]),
    );
    expect(await scanned(lake, staged, [{ column: "id", op: "=", values: [34n] }])).toEqual(["a"]);
    expect(await scanned(lake, staged, [{ column: "id", op: ">", values: [34n] }])).toEqual([
      "a",
      "b",
    ]);
    expect(await scanned(lake, staged, [{ column: "name", op: "<", values: ["abz"] }])).toEqual([
      "a",
    ]);
    expect(await scanned(lake, staged, [{ column: "name", op: ">", values: ["cdz"] }])).toEqual([
      "b",
    ]);
    expect(await scanned(lake, staged, [{ column: "day", op: ">=", values: [17_600] }])).toEqual([
      "b",
    ]);
    expect(await scanned(lake, staged, [{ column: "day", op: ">", values: [17_500] }])).toEqual([
      "a",
      "b",
    ]);
  });
});

describe("delete files", () => {
  test("go with the data files that they can touch", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(
      null,
      creation(BY_DAY, [dataFile("d1", [1]), dataFile("d2", [2])]),
    );
    const deletes = [
      dataFile("pos1", [1], { content: "position-deletes", splitOffsets: null }),
      dataFile("pos2", [2], {
        content: "position-deletes",
        referencedDataFile: `${LOCATION}/data/d2.parquet`,
      }),
      dataFile("eq9", [9], { content: "equality-deletes", equalityIds: [1] }),
      dataFile("eq1", [1], { content: "equality-deletes", equalityIds: [1] }),
    ];
    const second = await lake.commit(
      first,
      change({ base: 1001n, operation: "overwrite", added: deletes }),
    );
    const scan = await planScan(planInput(lake, second.metadata), second.snapshot);
    expect(scan.deletes.map((file) => file.path.split("/").at(-1))).toEqual([
      "pos1.parquet",
      "pos2.parquet",
      "eq1.parquet",
    ]);
    const one = await planScan(planInput(lake, second.metadata), second.snapshot, [
      { column: "day", op: "=", values: [2] },
    ]);
    expect(one.deletes.map((file) => file.path.split("/").at(-1))).toEqual(["pos2.parquet"]);
    expect(second.snapshot?.summary).toMatchObject({
      "added-delete-files": "4",
      "total-delete-files": "4",
      "total-records": "20",
    });
    const third = await lake.commit(
      second,
      change({ base: 1002n, added: [dataFile("new1", [1])] }),
    );
    const late = await planScan(planInput(lake, third.metadata), third.snapshot, [
      { column: "day", op: "=", values: [1] },
    ]);
    expect(late.deletes).toHaveLength(2);
  });
});

describe("delta", () => {
  test("holds the files of appends, and passes over compaction", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(first, change({ base: 1001n, added: [dataFile("b")] }));
    const third = await lake.commit(
      second,
      change({
        base: 1002n,
        operation: "replace",
        removed: [dataFile("a").path, dataFile("b").path],
        added: [dataFile("ab")],
      }),
    );
    const fourth = await lake.commit(third, change({ base: 1003n, added: [dataFile("c")] }));
    const input = planInput(lake, fourth.metadata);
    const delta = await planDelta(input, 1001n, fourth.snapshot);
    expect(delta.kind === "append" && [names(delta.scan), delta.snapshots]).toEqual([
      ["b", "c"],
      2,
    ]);
    const all = await planDelta(input, null, fourth.snapshot);
    expect(all.kind === "append" && names(all.scan)).toEqual(["a", "b", "c"]);
    expect(await planDelta(input, 1004n, fourth.snapshot)).toEqual({ kind: "none" });
    expect(await planDelta(input, 1002n, third.snapshot)).toEqual({ kind: "none" });
    expect(await planDelta(input, null, null)).toEqual({ kind: "none" });
  });

  test("is full, and says why, when rows changed or history broke", async () => {
    const lake = new MemoryLake();
    const first = await lake.commit(null, creation(UNPARTITIONED, [dataFile("a")]));
    const second = await lake.commit(
      first,
      change({
        base: 1001n,
        operation: "overwrite",
        removed: [dataFile("a").path],
        added: [dataFile("b")],
      }),
    );
    const third = await lake.commit(second, change({ base: 1002n, added: [dataFile("c")] }));
    const reason = async (metadata: TableMetadata, after: bigint | null): Promise<string> => {
      const delta = await planDelta(planInput(lake, metadata), after, third.snapshot);
      return delta.kind === "full" ? delta.reason : delta.kind;
    };
    expect(await reason(third.metadata, 1001n)).toBe(
      "snapshot 1002 (overwrite) changed rows that were there before",
    );
    expect(await reason(third.metadata, 1002n)).toBe("append");
    const thinned = { ...third.metadata, snapshots: third.metadata.snapshots.slice(2) };
    expect(await reason(thinned, 1001n)).toContain(
      "snapshot 1002, on the way to 1003, is no longer kept",
    );
    const other = await lake.commit(null, creation(UNPARTITIONED, []));
    const stray = await planDelta(planInput(lake, other.metadata), 5n, other.snapshot);
    expect(stray.kind === "full" && stray.reason).toContain("snapshot 5 is not in the history");
  });
});

/** Which files are made one: few for a reader, and none written again for little. */

import { describe, expect, test } from "bun:test";
import {
  type CompactionRules,
  planCompaction,
  withRealRows,
} from "../../../../core/table/compaction.ts";
import type { DataFile, Scan, ScanFile, Snapshot, Table } from "../../../../core/table/types.ts";
import { scanFile, scanOf, schemaOf } from "../../../support/lake-scan.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 24 * 3_600_000;
const SCHEMA = schemaOf({ id: "long" });
const NOW_MS = 100 * DAY_MS;
const ALL: CompactionRules = { targetBytes: 128 * MIB, effort: "all", nowMs: NOW_MS };
const DUE: CompactionRules = { ...ALL, effort: "due" };

let made = 0;
function file(sizeBytes: number, more: Partial<DataFile> = {}): ScanFile {
  const one = scanFile(`/lake/${++made}.parquet`, 10n, sizeBytes, { sequence: BigInt(made) });
  return { ...one, file: { ...one.file, ...more } };
}

function deleteFile(recordCount: bigint, more: Partial<DataFile> = {}): DataFile {
  return { ...file(KIB).file, content: "position-deletes", recordCount, ...more };
}

function files(count: number, sizeBytes: number): ScanFile[] {
  return Array.from({ length: count }, () => file(sizeBytes));
}

function tableOf(addedMs: number, properties: Record<string, string> = {}): Table {
  const snapshot = { snapshotId: 1n, timestampMs: addedMs } as Snapshot; // parse: all that is asked
  const specs = [{ specId: 0, fields: [] }];
  const rest = { name: "bronze.o", schema: SCHEMA, lastColumnId: 1, properties, specs };
  return { ...rest, snapshots: [snapshot] } as unknown as Table; // parse: all that is asked
}

function groupsOf(scan: Scan, rules: CompactionRules, table = tableOf(NOW_MS)): number[] {
  return planCompaction(table, scan, rules).flatMap(({ groups }) =>
    groups.map((one) => one.length),
  );
}

function plain(many: readonly ScanFile[], deletes: readonly DataFile[] = []): Scan {
  return { ...scanOf("bronze.o", SCHEMA, many), deletes };
}

describe("by hand", () => {
  test("small files become one, up to the target; large ones and a single one stay", () => {
    expect(groupsOf(plain([...files(3, MIB), ...files(2, 120 * MIB)]), ALL)).toEqual([3]);
    expect(groupsOf(plain(files(6, 50 * MIB)), ALL)).toEqual([2, 2, 2]);
    expect(groupsOf(plain([file(MIB), file(120 * MIB)]), ALL)).toEqual([]);
  });

  test("each partition of each spec for itself", () => {
    const one = [file(MIB, { partition: [1n] }), file(MIB, { partition: [1n] })];
    const other = [file(MIB, { partition: [2n] }), file(MIB, { specId: 1, partition: [1n] })];
    expect(groupsOf(plain([...one, ...other]), ALL)).toEqual([2]);
  });

  test("every delete is folded, also into a single large file", () => {
    expect(groupsOf(plain([file(120 * MIB)], [deleteFile(1n)]), ALL)).toEqual([1]);
  });

  test("a table's own target comes first", () => {
    const table = tableOf(NOW_MS, { "write.target-file-size-bytes": String(2 * MIB) });
    expect(groupsOf(plain(files(4, MIB)), ALL, table)).toEqual([2, 2]);
  });
});

describe("by itself", () => {
  test("many files of one size are joined, few are not", () => {
    expect(groupsOf(plain(files(31, KIB)), DUE)).toEqual([]);
    expect(groupsOf(plain(files(32, KIB)), DUE)).toEqual([32]);
    expect(groupsOf(plain([...files(32, KIB), ...files(5, MIB)]), DUE)).toEqual([32]);
    expect(groupsOf(plain([...files(3, KIB), ...files(32, MIB)]), DUE)).toEqual([35]);
  });

  test("files at rest are joined once more, but never with one that is larger than all others", () => {
    const rested = tableOf(NOW_MS - 2 * DAY_MS);
    expect(groupsOf(plain(files(4, KIB)), DUE, rested)).toEqual([4]);
    expect(groupsOf(plain([file(50 * MIB), ...files(3, KIB)]), DUE, rested)).toEqual([3]);
  });

  test("deletes are folded where they are a good part of the rows", () => {
    expect(groupsOf(plain([file(120 * MIB)], [deleteFile(2n)]), DUE)).toEqual([]);
    expect(groupsOf(plain([file(120 * MIB)], [deleteFile(3n)]), DUE)).toEqual([1]);
  });

  test("a day of commits every five seconds: few files at any time, each byte written again thrice at most", () => {
    let now: ScanFile[] = [];
    let landed = 0;
    let rewritten = 0;
    let most = 0;
    for (let commit = 0; commit < 17_280; commit++) {
      now.push(file(20 * KIB));
      landed += 20 * KIB;
      if (commit % 8 !== 0) continue;
      for (const { groups } of planCompaction(tableOf(NOW_MS), plain(now), DUE)) {
        for (const group of groups) {
          const size = group.reduce((sum, one) => sum + Number(one.file.sizeBytes), 0);
          rewritten += size;
          now = [...now.filter((one) => !group.includes(one)), file(size)];
        }
      }
      most = Math.max(most, now.length);
    }
    expect(most).toBeLessThanOrEqual(100);
    expect(rewritten / landed).toBeLessThanOrEqual(3);
  });
});

test("a place for _row comes to bronze tables alone, and once", () => {
  const system = { _source: "string", _source_file: "string", _batch: "string" } as const;
  const schema = schemaOf({ id: "long", ...system, _ingested_at: "timestamptz" });
  const bronze = { ...tableOf(0), schema, lastColumnId: 9 };
  const real = withRealRows(bronze);
  expect(real.fields.at(-1)).toMatchObject({ id: 10, name: "_row", required: false });
  expect(withRealRows({ ...bronze, schema: real })).toBe(real);
  expect(withRealRows(tableOf(0))).toBe(SCHEMA);
});

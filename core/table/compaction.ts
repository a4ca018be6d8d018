/** Which files of a table are made one, and what the engine is asked for it. iceberg.md, row 79. */

import type { Written } from "../engine.ts";
import { COMPACT_FILES_MAX, COMPACT_LEVEL_FILES, DEAD_SHARE_MAX } from "../limits.ts";
import { BRONZE_COLUMNS, ROW_COLUMN } from "./system-columns.ts";
import type {
  DataFile,
  PartitionValue,
  Scan,
  ScanFile,
  Schema,
  SortField,
  Table,
} from "./types.ts";

/** Files of one partition that become fewer; rows that are deleted are left out. */
export interface CompactRequest {
  /** All files of the partition, with what deletes rows of them. */
  readonly scan: Scan;
  /** Recorded paths; the files of each group become one. */
  readonly groups: readonly (readonly string[])[];
  readonly schema: Schema;
  readonly specId: number;
  readonly partition: readonly PartitionValue[];
  /** Of the rows in each new file; empty: as they stood, unless some are deleted by value. */
  readonly sortBy: readonly SortField[];
  readonly staging: string;
  readonly memoryBytes: number;
  readonly threads: number;
}

export interface CompactedFiles extends Written {
  /** Position deletes of files in no group, said again. */
  readonly marks: Written;
  /** Recorded paths of files, of data and of deletes, that the written ones stand in for. */
  readonly replaced: readonly string[];
  /** Rows of the replaced files that were deleted before. */
  readonly rowsLeftOut: bigint;
}

export interface CompactionRules {
  /** A file is about as large as this at most; a table's `write.target-file-size-bytes` comes first. */
  readonly targetBytes: number;
  /** `all`: whatever can be one, without any deletes; `due`: what pays for being written again. */
  readonly effort: "all" | "due";
  readonly nowMs: number;
}

/** What is done in one partition of one spec. */
export interface PartitionPlan {
  readonly scan: Scan;
  readonly specId: number;
  readonly partition: readonly PartitionValue[];
  readonly groups: readonly (readonly ScanFile[])[];
}

/** A file that is this much of the target stays as it is. Iceberg Java: `min-file-size-bytes`. */
const LARGE_SHARE = 0.75;
/** No file was added for so long: what is there may be joined once more. */
const RESTING_MS = 24 * 60 * 60_000;

/** The partitions in which there is something to do; those with the most files come first. */
export function planCompaction(table: Table, scan: Scan, rules: CompactionRules): PartitionPlan[] {
  const target = targetOf(table, rules);
  const timeById = new Map(table.snapshots.map((one) => [one.snapshotId, one.timestampMs]));
  const deletesByKey = Map.groupBy(scan.deletes, partitionKey);
  const plans: PartitionPlan[] = [];
  for (const [key, found] of Map.groupBy(scan.files, ({ file }) => partitionKey(file))) {
    const files = inOrder(found);
    const [first] = files;
    if (first === undefined) continue;
    const deletes = [...(deletesByKey.get(key) ?? []), ...globalDeletes(table, scan, key)];
    const newestMs = Math.max(
      ...files.map(({ file }) => timeById.get(file.snapshotId ?? -1n) ?? 0),
    );
    const isResting = newestMs < rules.nowMs - RESTING_MS;
    const isFolded = foldsDeletes(files, deletes, rules);
    const chosen = isFolded ? files : smallFiles(files, target, rules, isResting);
    const groups = bins(chosen, target).filter((bin) => bin.length > (isFolded ? 0 : 1));
    if (groups.length === 0) continue;
    const { specId, partition } = first.file;
    plans.push({ scan: { ...scan, files, deletes }, specId, partition, groups });
  }
  return plans.sort((a, b) => b.scan.files.length - a.scan.files.length);
}

/** The table's schema with a place for `_row`, which is real where files were made one. DESIGN, Settled. */
export function withRealRows({ schema, lastColumnId }: Table): Schema {
  const names = new Set(schema.fields.map(({ name }) => name));
  const isLanded = BRONZE_COLUMNS.every(({ name }) => names.has(name));
  if (!isLanded || names.has(ROW_COLUMN.name)) return schema;
  const field = { ...ROW_COLUMN, id: lastColumnId + 1, required: false };
  return { ...schema, fields: [...schema.fields, field] };
}

/** Tells partitions of all specs apart. */
export function partitionKey({ specId, partition }: DataFile): string {
  return JSON.stringify([specId, ...partition], (_key, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    return value instanceof Uint8Array ? `x${value.toHex()}` : value;
  });
}

function targetOf({ properties }: Table, rules: CompactionRules): number {
  const text = properties["write.target-file-size-bytes"] ?? "";
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : rules.targetBytes;
}

/** Equality deletes of an unpartitioned spec hold for every partition. Iceberg spec, "Scan Planning". */
function globalDeletes(table: Table, scan: Scan, key: string): DataFile[] {
  const plain = new Set(
    table.specs.filter(({ fields }) => fields.length === 0).map(({ specId }) => specId),
  );
  return scan.deletes.filter(
    (file) =>
      file.content === "equality-deletes" && plain.has(file.specId) && partitionKey(file) !== key,
  );
}

/** As the rows came: what a scan lists first is what was added last. */
function inOrder(files: readonly ScanFile[]): ScanFile[] {
  const numberOf = ({ file }: ScanFile): bigint => file.dataSequenceNumber ?? 0n;
  return [...files].sort((a, b) => Number(numberOf(a) - numberOf(b)));
}

function foldsDeletes(
  files: readonly ScanFile[],
  deletes: readonly DataFile[],
  { effort }: CompactionRules,
): boolean {
  if (deletes.length === 0) return false;
  if (effort === "all") return true;
  const sum = (many: readonly DataFile[]) => many.reduce((n, one) => n + one.recordCount, 0n);
  return Number(sum(deletes)) > Number(sum(files.map(({ file }) => file))) * DEAD_SHARE_MAX;
}

function smallFiles(
  files: readonly ScanFile[],
  target: number,
  { effort }: CompactionRules,
  isResting: boolean,
): readonly ScanFile[] {
  const small = files.filter((one) => sizeOf(one) < target * LARGE_SHARE);
  if (effort === "all") return small;
  const crowded = LEVELS.find((level) => isCrowded(small, level, target));
  if (crowded !== undefined) return small.filter((one) => levelOf(one, target) <= crowded);
  return isResting ? withoutLargest(small) : [];
}

/**
 * Files of about one size are joined when they are many, so that a row is written again once for each level, and not
 * with every few files that come: a table that grows by the second is written again three times in all.
 */
const LEVELS = [2, 1, 0] as const;

function isCrowded(small: readonly ScanFile[], level: number, target: number): boolean {
  const own = small.filter((one) => levelOf(one, target) === level);
  const isFull = level === LEVELS[0] && totalOf(own) >= target;
  return own.length >= COMPACT_LEVEL_FILES || isFull;
}

function levelOf(one: ScanFile, target: number): number {
  const size = sizeOf(one);
  if (size > target / COMPACT_LEVEL_FILES) return 2;
  return size > target / COMPACT_LEVEL_FILES ** 2 ? 1 : 0;
}

/** The smallest, as long as the largest of them is no larger than the others together. */
function withoutLargest(small: readonly ScanFile[]): readonly ScanFile[] {
  const ascending = [...small].sort((a, b) => sizeOf(a) - sizeOf(b));
  for (let last = ascending.pop(); last !== undefined; last = ascending.pop()) {
    if (sizeOf(last) > totalOf(ascending)) continue;
    return inOrder([...ascending, last]);
  }
  return [];
}

/** Neighbours together, up to the target. */
function bins(files: readonly ScanFile[], target: number): ScanFile[][] {
  const all: ScanFile[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const one of files) {
    const last = all.at(-1);
    if (last === undefined || filled + sizeOf(one) > target || last.length >= COMPACT_FILES_MAX) {
      all.push([one]);
      filled = sizeOf(one);
    } else {
      last.push(one);
      filled += sizeOf(one);
    }
  }
  return all;
}

function totalOf(files: readonly ScanFile[]): number {
  return files.reduce((sum, one) => sum + sizeOf(one), 0);
}

function sizeOf({ file }: ScanFile): number {
  return Number(file.sizeBytes);
}

/** How much a run works with: what is little is carried in tables, and by one thread. */

import type { Binding, MaterializeMode, MaterializeRequest } from "../../core/engine.ts";
import { FEW_ROWS_MAX, WORK_TABLE_BYTES_MAX, WORK_TABLE_ROWS_MAX } from "../../core/limits.ts";
import type { Scan, ScanFile } from "../../core/table/types.ts";
import { refKey } from "../syntax/table-ref.ts";

/** A run that was begun for few rows has to read many: it is begun again. Nothing is written by then. */
export class MoreRows extends Error {}

/** Whether what the run works with is few rows: those that are new, and what stands for their keys. */
export function isSmall({ bindings, mode }: MaterializeRequest): boolean {
  if (mode.kind === "replace") return false;
  if (mode.kind === "cdc" && mode.rule.loads !== null) return false;
  const isKeyed = mode.kind === "keyed";
  const files = isKeyed ? mode.changes.flatMap(({ added }) => added.files) : bindingFiles(bindings);
  const bytes = files.reduce((sum, { file }) => sum + file.sizeBytes, 0n);
  return rowsOf(files) <= WORK_TABLE_ROWS_MAX && bytes <= WORK_TABLE_BYTES_MAX;
}

/**
 * Whether one thread is enough for all that it looks through: few changes of a feed, and files of its table without an
 * index of their keys.
 */
export function isFew(request: MaterializeRequest): boolean {
  const { mode, testBindings, keyIndexes, rewrittenRowsMax } = request;
  if (mode.kind === "keyed") return isFewOfGroups(request, mode);
  if (mode.kind !== "cdc" || mode.history === null || !isSmall(request)) return false;
  // Of versions the values are read too, wherever the rows stand.
  const isIndexed = keyIndexes !== null && mode.rule.scd === 1;
  const looked = mode.target.files.filter(
    ({ file }) => !isIndexed || file.recordCount <= BigInt(rewrittenRowsMax),
  );
  return rowsOf([...looked, ...bindingFiles(testBindings)]) <= FEW_ROWS_MAX;
}

/** The same of results that are put together with stored ones: of what only grew, the new rows alone are read. */
function isFewOfGroups(
  request: MaterializeRequest,
  mode: MaterializeMode & { readonly kind: "keyed" },
): boolean {
  const { bindings, testBindings, keyIndexes, rewrittenRowsMax, tests, model } = request;
  if (!mode.combines || keyIndexes === null || !isSmall(request)) return false;
  const changed = new Set(mode.changes.map(({ ref }) => refKey(ref)));
  const others = bindings.filter(({ ref }) => !changed.has(refKey(ref)));
  const tested =
    tests.length > 0 ? testBindings : testBindings.filter(({ ref }) => ref.name !== model);
  // A table that no run changed yet has no indexes.
  const isWhole = isUntouched(mode.target, rewrittenRowsMax);
  const looked = mode.target.files.filter((file) => isWhole || !isLarge(file, rewrittenRowsMax));
  return rowsOf([...looked, ...bindingFiles([...others, ...tested])]) <= FEW_ROWS_MAX;
}

/** Whether no run has changed rows of a table since all of it was written. */
export function isUntouched({ deletes, files }: Scan, rewrittenRowsMax: number): boolean {
  return deletes.length === 0 && files.every((file) => isLarge(file, rewrittenRowsMax));
}

function isLarge({ file }: ScanFile, rewrittenRowsMax: number): boolean {
  return file.recordCount > BigInt(rewrittenRowsMax);
}

/** Rows of all files that are bound. */
export function boundRows(bindings: readonly Binding[]): bigint {
  return rowsOf(bindingFiles(bindings));
}

function rowsOf(files: readonly ScanFile[]): bigint {
  return files.reduce((sum, { file }) => sum + file.recordCount, 0n);
}

function bindingFiles(bindings: readonly Binding[]): readonly ScanFile[] {
  return bindings.flatMap((binding) =>
    binding.kind === "scan" ? binding.scan.files : bindingFiles(binding.bindings),
  );
}

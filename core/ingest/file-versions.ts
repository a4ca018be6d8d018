/** The contents that landed under one name, and which of them stay where each takes the place of the one before. */

import { compareCodePoints } from "../base/order.ts";
import type { LedgerFile } from "./ledger.ts";

/**
 * Without what a later content of the same name takes the place of under `same_name: replace`: the last whole one that
 * can be read stays, with what it grew by and with later ones that cannot, which replace nothing. Keeps the order.
 */
export function lastVersions(
  files: readonly LedgerFile[],
  isReadable: (file: LedgerFile) => boolean = (file) => file.outcome === "landed",
): readonly LedgerFile[] {
  const firstOf = new Map<string, LedgerFile>();
  for (const file of files) {
    const isWhole = file.fromByte === 0 && isReadable(file);
    const known = firstOf.get(file.file);
    if (isWhole && (known === undefined || compare(known, file) <= 0)) firstOf.set(file.file, file);
  }
  return files.filter((file) => {
    const first = firstOf.get(file.file);
    return first === undefined || compare(file, first) >= 0;
  });
}

/** By their versions; two pieces of one content by the batch that brought them. */
function compare(a: LedgerFile, b: LedgerFile): number {
  return (
    a.version - b.version || compareCodePoints(a.landsAs, b.landsAs) || a.fromByte - b.fromByte
  );
}

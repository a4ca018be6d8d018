/** How the table of a model is stored: what a model says of it, and nothing of its rows. */

import { integer, list, nullable, optional, text } from "../config/shape.ts";
import type { FormatVersion } from "../table/commit.ts";
import { parsePartitionText } from "../table/partition.ts";

const PARTITION = text({
  check: (value) => {
    const result = parsePartitionText(value);
    return result.kind === "invalid" ? result.reason : null;
  },
});
const NO_TEXTS: readonly string[] = [];

export const STORAGE_KEYS = {
  partition: optional(list(PARTITION), NO_TEXTS, "Partition transforms, such as day(ordered_at)."),
  format_version: optional(
    nullable(integer({ min: 2, max: 3 })),
    null,
    "Iceberg's format of its table: 3 has deletion vectors and ids of rows, and there is no way back to 2.",
  ),
};

/** The format that a model asks for; null: as its table is. */
export function formatFrom(version: number | null): FormatVersion | null {
  return version === 3 ? 3 : version === 2 ? 2 : null;
}

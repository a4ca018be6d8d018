/** The rows of one partition of a model's table, as a range of a replay. */

import { LakeError } from "../../core/base/errors.ts";
import type { RangeScope } from "../../core/engine.ts";
import type { Model } from "../../core/model/model.ts";
import {
  type PartitionText,
  parsePartitionText,
  transformText,
} from "../../core/table/partition.ts";
import { quoteIdentifier, quoteLiteral } from "../../sql/syntax/quote.ts";

/** Parts of a time as people write them: a year, a month, a day, an hour. */
const TIME = /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::00)*)?)?)?$/;
const UNITS = ["year", "month", "day", "hour"] as const;

/**
 * `day(at)=2026-03-04`, or by the column or the unit alone, where that says which. Periods are in UTC, as partitions
 * are. Throws `usage` for what names no partition of the models.
 */
export function partitionScope(models: readonly Model[], text: string): RangeScope {
  const [, key = "", value = ""] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(text) ?? [];
  const parts = models.flatMap(({ name, partition }) =>
    partition.flatMap((spelled) => {
      const parsed = parsePartitionText(spelled);
      return parsed.kind === "partition" ? [{ name, ...parsed.partition }] : [];
    }),
  );
  const wanted = key.replaceAll(" ", "").toLowerCase();
  const found = parts.find((part) => spellings(part).includes(wanted));
  if (found === undefined) {
    const known = parts.map(
      (part) => `${transformText(part.transform, part.column)} (${part.name})`,
    );
    throw new LakeError("usage", `no model that is replayed has a partition "${key || text}"`, {
      hint:
        known.length === 0
          ? "none of them is partitioned; give a range: --by COLUMN --from TIME --to TIME"
          : `partitions are: ${known.join(", ")}; write --partition '${example(parts)}'`,
    });
  }
  return scopeOf(found, value);
}

function spellings({ column, transform }: PartitionText): string[] {
  const all = [transformText(transform, column), column, `${column}_${transform}`];
  if (transform !== "identity") all.push(transform);
  return all.map((one) => one.replaceAll(" ", "").toLowerCase());
}

function example([part]: readonly PartitionText[]): string {
  if (part === undefined) return "day(at)=2026-03-04";
  const value = { year: "2026", month: "2026-03", hour: "2026-03-04T09" }[part.transform];
  const text = transformText(part.transform, part.column);
  return `${text}=${value ?? (part.transform === "day" ? "2026-03-04" : "VALUE")}`;
}

function scopeOf({ column, transform }: PartitionText, value: string): RangeScope {
  const unbounded = { column, fromMs: null, toMs: null };
  const own = quoteIdentifier(column);
  if (value === "" || value.toLowerCase() === "null") {
    return { ...unbounded, where: `${own} IS NULL` };
  }
  if (transform === "identity") {
    return { ...unbounded, where: `CAST(${own} AS VARCHAR) = ${quoteLiteral(value)}` };
  }
  const unit = UNITS.findIndex((one) => one === transform);
  if (unit < 0) {
    throw new LakeError(
      "usage",
      `a partition ${transformText(transform, column)} is not one value`,
      {
        hint: "give a range instead: --by COLUMN --from TIME --to TIME",
      },
    );
  }
  const found =
    TIME.exec(value)
      ?.slice(1)
      .filter((part) => part !== undefined) ?? [];
  const [year, month = 1, day = 1, hour = 0] = found.map(Number);
  if (found.length !== unit + 1 || year === undefined) {
    throw new LakeError("usage", `"${value}" is no ${transform}`, {
      hint: `write --partition '${example([{ column, transform }])}'`,
    });
  }
  const fromMs = Date.UTC(year, month - 1, day, hour);
  const toMs = Date.UTC(
    year + (unit === 0 ? 1 : 0),
    month - 1 + (unit === 1 ? 1 : 0),
    day + (unit === 2 ? 1 : 0),
    hour + (unit === 3 ? 1 : 0),
  );
  return { column, fromMs, toMs, wall: { fromMs, toMs } };
}

/** Columns of texts that would be numbers or days, if tarn.yaml said how those are written. */

import type { ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { numbersFrom } from "../../../core/ingest/notation.ts";
import type { Type } from "../../../core/table/types.ts";
import { Spelling } from "../lossless/spelling.ts";
import { textFits } from "../lossless/text-fit.ts";
import type { Prepared } from "../prepared.ts";
import { csvShape } from "./prepare.ts";
import { splitRecord } from "./record-text.ts";
import { scanCsv } from "./scan.ts";

/** Rows that speak for a file. */
const ROWS = 2_000;
const NUMBERS = ["de", "fr", "ch", "en"];
const DATES = ["DD.MM.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY", "MM-DD-YYYY", "YYYY/MM/DD"];
const NUMBER: Type = { kind: "decimal", precision: 38, scale: 9 };
const MOMENT: Type = { kind: "primitive", name: "timestamp" };

/** A setting, and the column's texts as far as all of them were written so. */
interface Candidate {
  readonly setting: string;
  readonly type: Type;
  readonly spelling: Spelling;
}

/** The columns of figures, each with the setting that would type its first rows, such as `numbers: de`, if any. */
export function withLooks(
  prepared: Prepared,
  read: ReadOptions,
  columns: readonly ObservedColumn[],
): readonly ObservedColumn[] {
  const candidates = candidatesOf(read);
  const left = new Map(
    columns.flatMap(({ isFigures }, at) => (isFigures === true ? [[at, candidates] as const] : [])),
  );
  const shape = csvShape(prepared);
  let rows = 0;
  scanCsv(prepared.path, shape, (record) => {
    if (record.blank || record.isHeader || record.fault !== null) return;
    rows++;
    const text = Buffer.from(record.bytes.subarray(record.start, record.end)).toString();
    const fields = splitRecord(text, shape, read.nulls);
    for (const [at, known] of left) {
      const value = fields[at] ?? null;
      if (value === null) continue;
      const still = known.filter(({ type, spelling }) =>
        textFits(type, spelling.plain(type, value)),
      );
      if (still.length === 0) left.delete(at);
      else left.set(at, still);
    }
    return rows < ROWS && left.size > 0;
  });
  return columns.map((column, at) => {
    const still = left.get(at) ?? [];
    return still.length === 0 ? column : { ...column, looks: said(still) };
  });
}

function candidatesOf({ numbers = null, dates = null }: ReadOptions): readonly Candidate[] {
  const of =
    (key: "numbers" | "dates", type: Type) =>
    (word: string): Candidate[] => {
      const spelling = Spelling.of({ [key]: key === "numbers" ? (numbersFrom(word) ?? "") : word });
      return spelling === null ? [] : [{ setting: `${key}: ${word}`, type, spelling }];
    };
  return [
    ...(numbers === null ? NUMBERS.flatMap(of("numbers", NUMBER)) : []),
    ...(dates === null ? DATES.flatMap(of("dates", MOMENT)) : []),
  ];
}

/** All that days may be written as; of numbers the first, which what was seen does not tell from the others. */
function said(still: readonly Candidate[]): string {
  const [first] = still;
  const settings = still.map(({ setting }) => setting);
  return first?.type === MOMENT ? settings.join(" or ") : (settings[0] ?? "");
}

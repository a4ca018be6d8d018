/** Texts of fixed width, which the test of new formats adds: a column begins where its name does in the first line. */

import { closeSync, openSync } from "node:fs";
import type { ObservedColumn } from "../../../core/engine.ts";
import { copyRange, utf8Text } from "../../../sql/decode/encoding.ts";
import type { FormatReader } from "../../../sql/decode/format.ts";
import { LineCursor } from "../../../sql/decode/line-cursor.ts";
import { TextColumn } from "../../../sql/decode/lossless/narrowest-type.ts";
import {
  BATCH_ROWS,
  type RowBatch,
  type RowSource,
  type SourceRow,
} from "../../../sql/decode/made/row-source.ts";
import {
  columnNames,
  dialectOf,
  NO_TEXT,
  type Prepared,
  readHead,
  sizes,
  type TextBase,
  type TextHow,
} from "../../../sql/decode/prepared.ts";
import { escapedText } from "../../../sql/decode/rejects.ts";

interface Ruler {
  readonly names: readonly string[];
  /** Where each column begins, in characters. */
  readonly starts: readonly number[];
}

export const FORMAT: FormatReader = {
  prepareText: (base, _known, _options, how) => prepareFixed(base, how),
  isCounted: false,
  isTyped: false,
  inspect: (_db, prepared) => inspectFixed(prepared),
  groupKey: () => "rows",
  byRow: async () => openFixed,
};

/** What was written behind text that landed is read under the same first line. */
function prepareFixed({ file, path, temp }: TextBase, how: TextHow): Prepared {
  const dialect = dialectOf("fixed", how.encoding, how.compression);
  const shared = { ...NO_TEXT, file, dialect, positions: "line" } as const;
  if (how.fromByte === 0) return { ...shared, path, ...sizes(path, null) };
  const tail = temp("tail");
  const out = openSync(tail, "w");
  try {
    copyRange(path, 0, readHead(path).indexOf(10) + 1, out);
    copyRange(path, how.fromByte, null, out);
  } finally {
    closeSync(out);
  }
  const rowsBefore = copyRange(path, 0, how.fromByte, -1) - 1;
  return { ...shared, path: tail, ...sizes(tail, null), linesBefore: rowsBefore, rowsBefore };
}

async function inspectFixed(prepared: Prepared): Promise<ObservedColumn[]> {
  const source = await openFixed(prepared);
  const learned = source.names.map(() => new TextColumn());
  for await (const { rows } of source.read()) {
    for (const { values, fault } of rows) {
      if (fault !== null) continue;
      for (const [index, value] of values.entries()) {
        if (typeof value === "string") learned[index]?.add(value);
      }
    }
  }
  return source.names.map((name, index) => ({
    name,
    ...(learned[index] ?? new TextColumn()).learned(),
  }));
}

async function openFixed(prepared: Prepared): Promise<RowSource> {
  const { names } = withLines(prepared, (lines) => rulerOf(lines));
  async function* read(): AsyncGenerator<RowBatch> {
    const lines = new LineCursor(prepared.path);
    try {
      const ruler = rulerOf(lines);
      let batch: SourceRow[] = [];
      let bytes = 0;
      while (lines.next()) {
        batch.push(rowOf(lines, ruler, prepared));
        bytes += lines.line().length;
        if (batch.length < BATCH_ROWS) continue;
        yield { rows: batch, bytes };
        batch = [];
        bytes = 0;
      }
      yield { rows: batch, bytes };
    } finally {
      lines.close();
    }
  }
  return { names, text: "numbers", read };
}

function withLines<T>(prepared: Prepared, use: (lines: LineCursor) => T): T {
  const lines = new LineCursor(prepared.path);
  try {
    return use(lines);
  } finally {
    lines.close();
  }
}

function rulerOf(lines: LineCursor): Ruler {
  const line = lines.next() ? escapedText(lines.line()) : "";
  const words = [...line.matchAll(/\S+/g)];
  return {
    names: columnNames(words.map(([name]) => name)),
    starts: words.map(({ index }) => index),
  };
}

/** A value that goes on where the next column begins is set aside with its row: nobody knows whose it is. */
function rowOf(lines: LineCursor, { names, starts }: Ruler, prepared: Prepared): SourceRow {
  const place = {
    row: lines.row - 1 + prepared.rowsBefore,
    line: lines.number + prepared.linesBefore,
  };
  const text = utf8Text(lines.line());
  const whole = text ?? escapedText(lines.line());
  const values = starts.map((start, index) => whole.slice(start, starts[index + 1]).trim() || null);
  if (text === null) {
    const message = "the line holds bytes that are not UTF-8";
    return { ...place, values, fault: { reason: "encoding", column: null, message } };
  }
  const crossed = starts.findIndex((start) => /^\S\S/.test(text.slice(Math.max(0, start - 1))));
  const column = crossed > 0 ? (names[crossed] ?? null) : null;
  if (column === null) return { ...place, values, fault: null };
  const message = `a value runs on into the column ${column}`;
  return { ...place, values, fault: { reason: "parse", column, message } };
}

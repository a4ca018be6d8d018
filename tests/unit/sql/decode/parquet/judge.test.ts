/** Who reads a Parquet file, by its footer: the engine is not asked for what it has no type for. */

import { expect, test } from "bun:test";
import type { Meaning, ParquetFooter } from "../../../../../sql/decode/parquet/footer.ts";
import { judgeParquet } from "../../../../../sql/decode/parquet/judge.ts";

function footer(meaning: Meaning, lengthBytes: number): ParquetFooter {
  const leaf = { index: 0, path: "d", physical: "FIXED_LEN_BYTE_ARRAY", lengthBytes } as const;
  const column = {
    name: "d",
    repetition: "optional",
    meaning,
    definition: 1,
    depth: 0,
    children: [],
    leaf: { ...leaf, repetitions: ["optional"] },
  } as const;
  return { columns: [column], groups: [], rows: 0 };
}

const DECIMALS = [
  { precision: 38, scale: 4, lengthBytes: 16, isPlain: true },
  { precision: 38, scale: 38, lengthBytes: 16, isPlain: true },
  { precision: 38, scale: 4, lengthBytes: 17, isPlain: false },
  { precision: 39, scale: 4, lengthBytes: 16, isPlain: false },
  { precision: 4, scale: 5, lengthBytes: 16, isPlain: false },
  { precision: 0, scale: 0, lengthBytes: 16, isPlain: false },
];

for (const { precision, scale, lengthBytes, isPlain } of DECIMALS) {
  const what = `decimal(${precision},${scale}) in ${lengthBytes} bytes`;
  test(`a ${what} is ${isPlain ? "" : "not "}for the engine`, async () => {
    const judged = await judgeParquet(
      "",
      footer({ kind: "decimal", precision, scale }, lengthBytes),
    );
    expect(judged.isPlain).toBe(isPlain);
  });
}

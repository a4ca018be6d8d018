/** Which columns of a Parquet file hold what their types do not say, or what the engine does not read as it is. */

import { closeSync, openSync } from "node:fs";
import { DAY_MAX, DAY_MICROS, DAY_MIN, INSTANT_MAX, INSTANT_MIN } from "../lossless/exact-value.ts";
import type { Chunk, ParquetFooter, ParquetNode } from "./footer.ts";
import { leavesOf } from "./footer.ts";
import { isDecimal, type Texts } from "./schema.ts";
import { julianNanos } from "./values.ts";

export interface Judged {
  /** Columns that are text for one of their values at least: a table has no nanoseconds and no times of 24 hours. */
  readonly texts: Texts;
  /** The engine reads every value, and as the one that it is. */
  readonly isPlain: boolean;
}

/** What a value is to the type that its column has by the footer. */
type Reach =
  | "within"
  /** No value of the type, though one that can be told: the column is text. */
  | "text"
  /** A value that nobody can have meant: its row is set aside. */
  | "beyond";

const BYTE_STREAM_SPLIT = 9;
/** Bytes of the widest decimal of 38 digits; the engine misreads wider ones. */
const DECIMAL_BYTES_MAX = 16;

/** Reads the values of those columns whose type and statistics do not tell. Throws Unreadable for broken pages. */
export async function judgeParquet(path: string, footer: ParquetFooter): Promise<Judged> {
  const texts = new Set<number>();
  let isPlain = true;
  for (const node of footer.columns.flatMap(leavesOf)) {
    const index = node.leaf?.index ?? -1;
    const chunks = footer.groups.flatMap((group) => group.chunks[index] ?? []);
    if (!isReadByEngine(node, chunks)) isPlain = false;
    const reachOf = reachesOf(node);
    if (reachOf === null) continue;
    const doubtful = chunks.filter((chunk) => !isProven(node, chunk, reachOf));
    const worst = doubtful.length === 0 ? "within" : await worstOf(path, node, doubtful, reachOf);
    if (worst !== "within") isPlain = false;
    if (worst === "text") texts.add(index);
  }
  return { texts, isPlain };
}

function isReadByEngine({ leaf, meaning }: ParquetNode, chunks: readonly Chunk[]): boolean {
  if (leaf === null) return true;
  const isFloat = leaf.physical === "FLOAT" || leaf.physical === "DOUBLE";
  if (!isFloat && chunks.some(({ encodings }) => encodings.includes(BYTE_STREAM_SPLIT)))
    return false;
  return (
    meaning.kind !== "decimal" || (isDecimal(meaning) && leaf.lengthBytes <= DECIMAL_BYTES_MAX)
  );
}

/** Null for leaves whose values are all of their type. */
function reachesOf({ leaf, meaning }: ParquetNode): ((value: bigint) => Reach) | null {
  if (leaf?.physical === "INT96") {
    return (value) => instantReach(julianNanos(value), PER_MICRO.nanos);
  }
  switch (meaning.kind) {
    case "date":
      return (value) => (value >= DAY_MIN && value <= DAY_MAX ? "within" : "beyond");
    case "time": {
      const { parts, micros } = PER_MICRO[meaning.unit];
      const units = (DAY_MICROS * parts) / micros;
      return (value) => (value >= 0n && value < units && value % parts === 0n ? "within" : "text");
    }
    case "timestamp": {
      const per = PER_MICRO[meaning.unit];
      return (value) => instantReach(value, per);
    }
    default:
      return null;
  }
}

function instantReach(
  value: bigint,
  { parts, micros }: { readonly parts: bigint; readonly micros: bigint },
): Reach {
  const at = (value / parts) * micros;
  if (at < INSTANT_MIN || at > INSTANT_MAX) return "beyond";
  return value % parts === 0n ? "within" : "text";
}

/** `parts` of a unit are as many microseconds. */
const PER_MICRO = {
  millis: { parts: 1n, micros: 1000n },
  micros: { parts: 1n, micros: 1n },
  nanos: { parts: 1000n, micros: 1n },
} as const;

/** By the bounds of its values, where they tell. */
function isProven(
  { leaf, meaning }: ParquetNode,
  chunk: Chunk,
  reachOf: (value: bigint) => Reach,
): boolean {
  if (chunk.nulls === chunk.values) return true;
  const isWhole = !("unit" in meaning) || meaning.unit !== "nanos";
  if (!isWhole || leaf?.physical === "INT96" || chunk.bounds === null) return false;
  return [chunk.bounds.min, chunk.bounds.max].every((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length === 4) return reachOf(BigInt(view.getInt32(0, true))) === "within";
    return bytes.length === 8 && reachOf(view.getBigInt64(0, true)) === "within";
  });
}

async function worstOf(
  path: string,
  node: ParquetNode,
  chunks: readonly Chunk[],
  reachOf: (value: bigint) => Reach,
): Promise<Reach> {
  // Loaded for such columns alone: a worker starts for every file.
  const { storedValues } = await import("./pages.ts");
  let worst: Reach = "within";
  const file = openSync(path, "r");
  try {
    for (const stored of storedValues(file, chunks, node)) {
      if (typeof stored !== "bigint" && typeof stored !== "number") continue;
      const reach = reachOf(BigInt(stored));
      if (reach === "text") return reach;
      if (reach === "beyond") worst = reach;
    }
  } finally {
    closeSync(file);
  }
  return worst;
}

/** What a statement has staged, as plain JSON: it goes to whoever has the lake, here or over its socket. */

import type { Json, JsonObject } from "../../core/base/json.ts";
import type { StagedFile } from "../../core/engine.ts";
import type { PartitionValue } from "../../core/table/types.ts";
import type { TableWrite, WriteRequest, Written } from "../../core/table/write.ts";

/** A file with its numbers as text, and values of partitions that say their kind. */
interface WireFile {
  readonly path: string;
  readonly rows: string;
  readonly sizeBytes: string;
  readonly partition: readonly Json[];
  readonly vector?: {
    readonly dataFile: string;
    readonly offset: string;
    readonly sizeBytes: string;
  };
}

type WireTable = Omit<TableWrite, "base" | "data" | "deletes"> & {
  readonly base: string | null;
  readonly data: readonly WireFile[];
  readonly deletes: readonly WireFile[];
};

export interface WireWrite {
  readonly message: string;
  readonly branch?: string | null;
  readonly writes: readonly WireTable[];
}

export function toWire({ message, writes, branch = null }: WriteRequest): WireWrite {
  return {
    message,
    branch,
    writes: writes.map((write) => ({
      ...write,
      base: write.base?.toString() ?? null,
      data: write.data.map(fileToWire),
      deletes: write.deletes.map(fileToWire),
    })),
  };
}

export function fromWire({ message, writes, branch = null }: WireWrite): WriteRequest {
  return {
    message,
    branch,
    writes: writes.map((write) => ({
      ...write,
      base: write.base === null ? null : BigInt(write.base),
      data: write.data.map(fileFromWire),
      deletes: write.deletes.map(fileFromWire),
    })),
  };
}

interface WireWritten {
  readonly commit?: string;
  readonly sequences?: readonly (readonly [string, string])[];
  readonly moved?: {
    readonly table: string;
    readonly from: string | null;
    readonly to: string | null;
  };
}

/** How a commit ended, as one document. */
export function writtenToJson(written: Written): JsonObject {
  if (written.kind === "moved") {
    const { table, from, to } = written.moved;
    return { moved: { table, from: from?.toString() ?? null, to: to?.toString() ?? null } };
  }
  const sequences = [...written.sequences].map(([name, one]) => [name, one.toString()]);
  return { commit: written.number.toString(), sequences };
}

/** Reads what `writtenToJson` wrote. */
export function writtenFromJson(json: Json): Written {
  const said = json as unknown as WireWritten; // parse: only our own engine answers, of the same build
  const numberOf = (text: string | null): bigint | null => (text === null ? null : BigInt(text));
  if (said.moved !== undefined) {
    const { table, from, to } = said.moved;
    return { kind: "moved", moved: { table, from: numberOf(from), to: numberOf(to) } };
  }
  const sequences = (said.sequences ?? []).map(([name, one]) => [name, BigInt(one)] as const);
  return { kind: "committed", number: BigInt(said.commit ?? 0), sequences: new Map(sequences) };
}

function fileToWire({ path, rows, sizeBytes, partition, vector }: StagedFile): WireFile {
  const { dataFile = "", blob } = vector ?? {};
  return {
    ...(blob === undefined
      ? {}
      : { vector: { dataFile, offset: `${blob.offset}`, sizeBytes: `${blob.sizeBytes}` } }),
    path,
    rows: rows.toString(),
    sizeBytes: sizeBytes.toString(),
    partition: partition.map((value): Json => {
      if (typeof value === "bigint") return { long: value.toString() };
      return value instanceof Uint8Array ? { bytes: value.toHex() } : value;
    }),
  };
}

function fileFromWire({ path, rows, sizeBytes, partition, vector }: WireFile): StagedFile {
  const blobOf = (one: NonNullable<WireFile["vector"]>) => ({
    offset: BigInt(one.offset),
    sizeBytes: BigInt(one.sizeBytes),
  });
  return {
    ...(vector === undefined
      ? {}
      : { vector: { dataFile: vector.dataFile, blob: blobOf(vector) } }),
    path,
    rows: BigInt(rows),
    sizeBytes: BigInt(sizeBytes),
    partition: partition.map((value): PartitionValue => {
      if (typeof value !== "object" || value === null) return value;
      const { long, bytes } = value as { long?: string; bytes?: string }; // parse: as fileToWire writes it
      return long === undefined ? Uint8Array.fromHex(bytes ?? "") : BigInt(long);
    }),
  };
}

/** Parquet of few rows in JavaScript, written and read through Arrow and the WebAssembly library. */

import { open } from "node:fs/promises";
import { tableFromIPC, tableToIPC } from "apache-arrow";
import { errorText, LakeError } from "../../core/base/errors.ts";
import type { StagedFile } from "../../core/engine.ts";
import type { Row, RowFiles } from "../../core/ports.ts";
import type { Schema } from "../../core/table/types.ts";
import { rowsToArrow } from "./columns.ts";
import { loadParquetWasm } from "./wasm.ts";

/** Readable by the owner alone: rows in quarantine are as private as the tables. */
const FILE_MODE = 0o600;

/** The RowFiles port: small files, one object per row, V1 pages and zstd like all of ours. */
export const rowFiles: RowFiles = {
  async write(path: string, schema: Schema, rows: readonly Row[]): Promise<StagedFile> {
    const bytes = await encodeRows(schema, rows);
    try {
      const file = await open(path, "wx", FILE_MODE);
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
    } catch (thrown) {
      throw new LakeError("io", `cannot write ${path}: ${errorText(thrown)}`, {
        hint: "free space or mend the permissions of the warehouse folder, then run it again",
        cause: thrown,
      });
    }
    return {
      path,
      rows: BigInt(rows.length),
      sizeBytes: BigInt(bytes.byteLength),
      partition: [],
    };
  },
};

/** The bytes of a Parquet file with the schema's field ids. */
export async function encodeRows(schema: Schema, rows: readonly Row[]): Promise<Uint8Array> {
  const wasm = await loadParquetWasm();
  const stream = tableToIPC(rowsToArrow(schema, rows), "stream");
  const properties = new wasm.WriterPropertiesBuilder()
    .setCompression(wasm.Compression.ZSTD)
    .setWriterVersion(wasm.WriterVersion.V1)
    .build();
  return wasm.writeParquet(wasm.Table.fromIPCStream(stream), properties);
}

/** Columns of the schema by their names, value by value as Arrow gives them; null for one that is not there. */
export async function decodeColumns(
  schema: Schema,
  bytes: Uint8Array,
): Promise<readonly (Iterable<unknown> | null)[]> {
  const wasm = await loadParquetWasm();
  const table = tableFromIPC(wasm.readParquet(bytes).intoIPCStream());
  return schema.fields.map((field) => table.getChild(field.name));
}

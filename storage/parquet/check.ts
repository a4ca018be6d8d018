/** The row count that a Parquet file's own footer says, for checking what a manifest says. */

import { parquetMetadataAsync } from "hyparquet";
import { LakeError } from "../../core/base/errors.ts";
import type { FileIO } from "../../core/ports.ts";

/** Rows by the footer. Throws `not-found`, or `corrupt` when the footer cannot be read. */
export async function parquetRowCount(io: FileIO, path: string): Promise<bigint> {
  const stat = await io.stat(path);
  if (stat === null) throw new LakeError("not-found", `${path} is missing`);
  try {
    const metadata = await parquetMetadataAsync({
      byteLength: stat.sizeBytes,
      slice: async (start, end) => {
        const bytes = await io.readRange(path, start, (end ?? stat.sizeBytes) - start);
        return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer; // parse: files are read into plain buffers
      },
    });
    return metadata.num_rows;
  } catch (thrown) {
    throw new LakeError("corrupt", `${path} has no readable Parquet footer`, { cause: thrown });
  }
}

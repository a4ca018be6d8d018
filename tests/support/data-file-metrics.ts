/** What the footer of a data file on disk says. */

import { open } from "node:fs/promises";
import type { Schema } from "../../core/table/types.ts";
import { type DataFileMetrics, readDataFileMetrics } from "../../storage/parquet/footer.ts";

export async function metricsOf(path: string, schema: Schema): Promise<DataFileMetrics> {
  await using file = await open(path);
  const { size } = await file.stat();
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(end - start);
    await file.read(bytes, 0, bytes.length, start);
    return bytes;
  };
  return await readDataFileMetrics({ name: path, sizeBytes: size, read }, schema);
}

/** Rows of Parquet files by hyparquet, none of the engine's readers; each content is read once. */

import { readFileSync } from "node:fs";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";

/** Every column of the file by name, values in their JSON form. */
export type FileRow = Readonly<Record<string, unknown>>;

export class RowReader {
  readonly #rowsByHash = new Map<string, readonly FileRow[]>();

  /** sha256 of the file's bytes. */
  hash(path: string): string {
    return sha256(readFileSync(path));
  }

  async rows(path: string): Promise<readonly FileRow[]> {
    const bytes = new Uint8Array(readFileSync(path));
    const hash = sha256(bytes);
    const known = this.#rowsByHash.get(hash);
    if (known !== undefined) return known;
    const objects = await parquetReadObjects({ file: bytes.buffer, compressors });
    const rows = objects.map((object) => {
      const names = Object.keys(object).sort();
      return Object.fromEntries(names.map((name) => [name, plain(object[name])]));
    });
    this.#rowsByHash.set(hash, rows);
    return rows;
  }
}

export function sha256(bytes: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Date ? value.toISOString() : value;
}

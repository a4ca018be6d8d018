/** Bytes that a source received, as a file that is whole and synced: what an original is made of. */

import { worded } from "../../core/base/errors.ts";
import type { SealedFile } from "../../core/ingest/source.ts";
import type { Random } from "../../core/ports.ts";
import type { Disk } from "../disk/disk.ts";
import type { Durable } from "../disk/durable.ts";

const NEWLINE = 10;

/** Writes the bytes under a new name in a folder of the source's own. `name` is that in the ledger. */
export async function sealBytes(
  bytes: Uint8Array,
  name: string,
  where: { readonly disk: Disk; readonly folder: string; readonly random: Random },
): Promise<SealedFile> {
  const path = `${where.folder}/${where.random.uuid()}`;
  const file = await worded("create", path, where.disk.create(path));
  try {
    await worded("write", path, file.write(bytes, 0));
    await worded("sync", path, file.sync());
  } finally {
    await file.close();
  }
  return {
    name,
    path,
    sha256: sha256Of(bytes),
    sizeBytes: bytes.length,
    newlines: newlinesOf(bytes),
  };
}

/** The folder of a source, without what an earlier process left in it and nothing has named. */
export async function emptyFolder(durable: Durable, folder: string): Promise<void> {
  await durable.ensureFolders([folder]);
  const left = await worded("list", folder, durable.disk.entries(folder));
  await durable.discard(left.map(({ name }) => `${folder}/${name}`));
}

/** Hexadecimal. */
export function sha256Of(bytes: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function newlinesOf(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

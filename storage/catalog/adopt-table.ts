/**
 * A table of another catalog as one of the lake: its metadata and manifests written anew in a folder of the lake, and
 * its data files given second names there. Nothing of the other table is changed, and nothing done here removes any of
 * it: each has its own names of the same bytes.
 */

import { readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ioError, LakeError, systemCode, worded } from "../../core/base/errors.ts";
import type { Random } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Disk } from "../disk/disk.ts";
import { mapBounded, realDisk } from "../disk/durable.ts";
import { LocalFiles, TEMPORARY_MARK } from "../disk/local.ts";
import { parseMetadata, type TableMetadata } from "../iceberg/metadata.ts";
import { absolutePath, recordedLocation, relativePath } from "../iceberg/recorded-files.ts";
import { partsOf } from "./history.ts";
import { type MovedFile, TableMove } from "./table-move.ts";

export interface AdoptTable {
  /** Absolute root of the lake. */
  readonly root: string;
  readonly name: TableName;
  readonly found: FoundTable;
  /** Copies where there can be no second names: on another disk. */
  readonly copy: boolean;
  readonly random: Random;
}

export interface FoundTable {
  /** Absolute path of the metadata file. */
  readonly path: string;
  readonly metadata: TableMetadata;
}

export interface Adopted {
  /** Recorded location of its metadata in the lake; nothing names it yet. */
  readonly metadataLocation: string;
  readonly files: number;
  readonly linked: number;
  readonly copiedBytes: number;
}

const AT_ONCE = 8;
const CHUNK_BYTES = 1 << 20;

/** The newest metadata of a folder, or the file itself. Throws `input` where there is none, or two are the newest. */
export async function findTable(path: string): Promise<FoundTable> {
  const file = isFolder(path) ? newestIn(path) : path;
  const bytes = await Bun.file(file).bytes();
  const metadata = parseMetadata(bytes, file);
  return { path: realpathSync(file), metadata };
}

/** Throws `io` for files that cannot be linked, `unsupported` for those outside of the table's own folder. */
export async function adoptTable(options: AdoptTable): Promise<Adopted> {
  const { root, name, found, random } = options;
  const from = absolutePath(found.metadata.location).replace(/\/+$/, "");
  // Where it lies now may not be where it says: the folder above metadata/.
  const place = dirname(dirname(found.path));
  const { namespace, table } = partsOf(name);
  const folder = `${table}-${random.uuid().replaceAll("-", "").slice(0, 8)}`;
  const to = `${root}/${namespace}/${folder}`;
  const reads = await LocalFiles.open({ root: place, random, readonly: true });
  const writes = await LocalFiles.open({ root, random });
  const move = new TableMove({ reads, writes, root, from, to }, random);
  const metadataLocation = recordedLocation(`${from}/metadata/${basename(found.path)}`);
  const version = await move.table({ name, metadataLocation });
  const files = move.untouched;
  const placed = await placeFiles(options, { place, files, writes });
  return { metadataLocation: version.metadataLocation, files: files.length, ...placed };
}

async function placeFiles(
  { root, copy, random }: AdoptTable,
  { place, files, writes }: { place: string; files: readonly MovedFile[]; writes: LocalFiles },
): Promise<Pick<Adopted, "linked" | "copiedBytes">> {
  const { durable } = writes;
  const planned = files.map(({ path, location }) => ({
    from: `${place}/${path}`,
    to: `${root}/${relativePath(location, root)}`,
  }));
  const folders = planned.map(({ to }) => dirname(to));
  await durable.ensureFolders(folders);
  let linked = 0;
  let copiedBytes = 0;
  await mapBounded(planned, AT_ONCE, async ({ from, to }) => {
    const bytes = await placeFile(writes, { from, to, copy, random });
    if (bytes === null) linked += 1;
    else copiedBytes += bytes;
  });
  await durable.syncFolders(folders);
  return { linked, copiedBytes };
}

/**
 * Gives a file a second name, which is durable after its folder is synced; null, or the bytes that were copied where
 * there can be none. Throws `io` where it would have to be copied and may not be.
 */
export async function placeFile(
  files: LocalFiles,
  { from, to, copy, random }: { from: string; to: string; copy: boolean; random: Random },
): Promise<number | null> {
  if (await isLinked(files.durable.disk, from, to)) return null;
  if (copy) return await copyFile(files, from, to, random);
  throw new LakeError(
    "io",
    `${from} lies on another disk than the lake: it has no second name there`,
    {
      hint: "copy its files into the lake: register takes --copy, add-files does so without --link",
    },
  );
}

async function isLinked(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to);
    return true;
  } catch (thrown) {
    if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes(systemCode(thrown))) return false;
    throw ioError(thrown, "link", from);
  }
}

/** The bytes of a file under another name, synced; the name is durable after its folder is. */
export async function copyFile(
  { durable }: LocalFiles,
  from: string,
  to: string,
  random: Random,
): Promise<number> {
  const temporary = `${to}${TEMPORARY_MARK}${random.uuid()}`;
  const input = await worded("open", from, realDisk.open(from));
  try {
    const output = await worded("create", temporary, realDisk.create(temporary));
    let position = 0;
    try {
      const buffer = new Uint8Array(CHUNK_BYTES);
      for (;;) {
        const count = await worded("read", from, input.read(buffer, position));
        if (count === 0) break;
        await worded("write", temporary, output.write(buffer.subarray(0, count), position));
        position += count;
      }
      await durable.syncFile(output, temporary);
    } finally {
      await output.close();
    }
    await worded("rename", temporary, realDisk.rename(temporary, to));
    return position;
  } catch (thrown) {
    await durable.discard([temporary]);
    throw thrown;
  } finally {
    await input.close();
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (thrown) {
    throw ioError(thrown, "read", path);
  }
}

/** `00012-<uuid>.metadata.json`, `v12.metadata.json`, and packed ones. Iceberg spec, "Naming for GZIP files". */
function newestIn(folder: string): string {
  const metadata = join(folder, "metadata");
  let names: readonly string[];
  try {
    names = readdirSync(metadata);
  } catch (thrown) {
    throw new LakeError("input", `${folder} is no Iceberg table: it has no metadata/`, {
      hint: "name the folder that holds metadata/ and data/, or a metadata file",
      cause: thrown,
    });
  }
  const numbered = names.flatMap((name) => {
    const version = /^v?(\d+)(?:-[^/]+)?(?:\.gz)?\.metadata\.json(?:\.gz)?$/.exec(name)?.[1];
    return version === undefined ? [] : [{ name, version: Number(version) }];
  });
  const last = Math.max(-1, ...numbered.map(({ version }) => version));
  const [newest, other] = numbered.filter(({ version }) => version === last);
  if (newest === undefined) {
    throw new LakeError("input", `${metadata} holds no metadata of a table`, {
      hint: "files of it are called 00012-….metadata.json or v12.metadata.json",
    });
  }
  if (other === undefined) return join(metadata, newest.name);
  throw new LakeError(
    "input",
    `${metadata} has two newest files: ${newest.name} and ${other.name}`,
    {
      hint: "its catalog knows which is the table: name that file",
    },
  );
}

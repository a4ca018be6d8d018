/** What lies in a drop folder: the truth that a watcher only hints at. */

import { ioError, systemCode } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { Unreadable } from "../../core/lake.ts";
import type { Disk, DiskEntry, DiskKind } from "../disk/disk.ts";
import { mapBounded, realDisk } from "../disk/durable.ts";

export interface Drop {
  /** Relative to the project, always with `/`. */
  readonly file: string;
  readonly absolute: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** `dev:inode`. */
  readonly inode: string;
  /** When anything about it changed last; 0 where nobody looked. */
  readonly changedNs: bigint;
  /** Only a `file` can be landed. A name that is not UTF-8 has no text to land it under. */
  readonly kind: Exclude<DiskKind, "folder"> | "badly encoded name";
}

export interface ListDropsOptions {
  /** Absolute folder that `file` is relative to. */
  readonly projectRoot: string;
  /** Folder below it, such as `drops`; absent lists nothing. */
  readonly folder: string;
  readonly disk?: Disk;
  /** A drop that is listed as it was before, without a look at it; null for one to look at. */
  readonly unchanged?: (file: string) => Drop | null;
  /** Told of each folder and file that cannot be looked at: all others are listed. */
  readonly onUnreadable?: (found: Unreadable) => void;
}

/** Files looked at before the first of them is handed on; bounds memory beside the names themselves. */
const CHUNK_FILES = 1_024;
/** lstat calls under way at once. */
const STAT_CONCURRENCY = 32;
/** Folders inside folders; deeper ones are a loop of mounts or a mistake. */
const DEPTH_MAX = 64;

/** Suffixes of files that are still being written: browsers, editors, copy tools. Compared ignoring case. */
const TEMPORARY_SUFFIXES = [
  "~",
  ".tmp",
  ".temp",
  ".part",
  ".partial",
  ".filepart",
  ".crdownload",
  ".download",
  ".opdownload",
  ".swp",
  ".swo",
  ".swx",
  ".lock",
  ".inprogress",
  "._copying_",
];

/**
 * Everything below a drop folder but hidden and temporary names, each folder in name order. Names are
 * taken literally, symbolic links are listed and never followed.
 */
export async function* listDrops(options: ListDropsOptions): AsyncIterable<Drop> {
  const { projectRoot, disk = realDisk } = options;
  const { unchanged = () => null, onUnreadable = () => {} } = options;
  const listing = { projectRoot, disk, unchanged, onUnreadable };
  yield* listFolder(listing, options.folder.replace(/\/+$/, ""), 0);
}

/** One of them, as a listing would have it; null where it has none there, or cannot tell without a look around. */
export async function lookAtDrop(
  { projectRoot, disk = realDisk }: Pick<ListDropsOptions, "projectRoot" | "disk">,
  file: string,
): Promise<Drop | null> {
  if (file.split("/").some(isTemporaryName)) return null;
  let isReadable = true;
  const onUnreadable = (): void => {
    isReadable = false;
  };
  const drop = await look({ projectRoot, disk, unchanged: () => null, onUnreadable }, file);
  return isReadable ? drop : null;
}

/** True for names that are not data yet or never: hidden ones, and those of files in the making. */
export function isTemporaryName(name: string): boolean {
  const lower = name.toLowerCase();
  if (name.startsWith(".") || name.startsWith("~$") || lower === "thumbs.db") return true;
  return TEMPORARY_SUFFIXES.some((suffix) => lower.endsWith(suffix));
}

type Listing = Required<Omit<ListDropsOptions, "folder">>;

async function* listFolder(listing: Listing, folder: string, depth: number): AsyncIterable<Drop> {
  const { unchanged } = listing;
  const entries = await entriesOf(listing, folder);
  const wanted = entries.filter((entry) => !isTemporaryName(entry.name));
  wanted.sort((a, b) => compareCodePoints(a.name, b.name));
  for (let start = 0; start < wanted.length; start += CHUNK_FILES) {
    const chunk = wanted.slice(start, start + CHUNK_FILES);
    const known = chunk.map((entry) =>
      entry.kind === "file" ? unchanged(`${folder}/${entry.name}`) : null,
    );
    const drops = known.includes(null)
      ? await mapBounded(chunk, STAT_CONCURRENCY, (entry, index) => {
          if (entry.kind === "folder") return null;
          return known[index] ?? look(listing, `${folder}/${entry.name}`);
        })
      : known;
    for (const [index, entry] of chunk.entries()) {
      const drop = drops[index] ?? null;
      if (drop !== null) yield drop;
      else if (entry.kind === "folder" && depth < DEPTH_MAX) {
        yield* listFolder(listing, `${folder}/${entry.name}`, depth + 1);
      }
    }
  }
}

async function entriesOf(listing: Listing, folder: string): Promise<DiskEntry[]> {
  const path = `${listing.projectRoot}/${folder}`;
  try {
    return await listing.disk.entries(path);
  } catch (thrown) {
    // Gone between the listing of its parent and now, or never there.
    if (systemCode(thrown) === "ENOENT" || systemCode(thrown) === "ENOTDIR") return [];
    listing.onUnreadable({ path: folder, error: ioError(thrown, "list", path) });
    return [];
  }
}

async function look(listing: Listing, file: string): Promise<Drop | null> {
  const absolute = `${listing.projectRoot}/${file}`;
  if (file.includes("\u{fffd}")) {
    const kind = "badly encoded name" as const;
    return { file, absolute, sizeBytes: 0, modifiedMs: 0, inode: "", changedNs: 0n, kind };
  }
  let stat: Awaited<ReturnType<Disk["stat"]>>;
  try {
    stat = await listing.disk.stat(absolute);
  } catch (thrown) {
    listing.onUnreadable({ path: file, error: ioError(thrown, "look at", absolute) });
    return null;
  }
  // A folder that took the name of a file since the listing is found by the next one.
  if (stat === null || stat.kind === "folder") return null;
  const { sizeBytes, modifiedMs, inode, changedNs, kind } = stat;
  return { file, absolute, sizeBytes, modifiedMs, inode, changedNs, kind };
}

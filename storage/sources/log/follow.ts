/** Follows a file that grows, through its rotations: what is whole is handed over, up to the last line end. */

import { LakeError, worded } from "../../../core/base/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  parseJson,
  stringifyJson,
} from "../../../core/base/json.ts";
import type { Lag } from "../../../core/ingest/lag.ts";
import type { ReaderWorld } from "../../../core/ingest/source-kind.ts";
import type {
  ReaderLimits,
  ReaderRequest,
  SealedStretch,
  StreamReader,
} from "../../../core/ingest/stream.ts";
import type { Disk, DiskFile, DiskStat } from "../../disk/disk.ts";
import { Durable } from "../../disk/durable.ts";
import { LagClock } from "../lag-clock.ts";
import { emptyFolder, sealBytes, sha256Of } from "../sealed-file.ts";
import { isPacked, unpackedStart } from "./packed.ts";
import type { LogSettings } from "./settings.ts";

/** What a file is known by, whatever it is called, beside its inode: a copy has another one. */
const HEAD_BYTES = 1024;
const NEWLINE = 10;
/** A file that was rotated away may be written for a while by who has it open. */
const QUIET_MS = 1_000;
const LOOK_MS = 20;
/** Of a packed file, what holds more than HEAD_BYTES. */
const PACKED_BYTES = 16 * 1024;
/** Files that are over and remembered: packing one may end after the next was written last. */
const FINISHED_KEPT = 4;

/** A place in a file: all before it is handed over. */
interface Place {
  readonly inode: string;
  readonly byte: number;
  /** sha256 of the file's first bytes, and of how many: HEAD_BYTES, or all that were handed over. */
  readonly head: string;
  readonly headBytes: number;
  /** The file is over, and was changed last at this time: what was begun later comes next. Null: it may go on. */
  readonly overNs: bigint | null;
}

/** A file that was read to its end. */
interface Finished {
  readonly place: Place;
  readonly modifiedNs: bigint;
}

interface Found {
  readonly path: string;
  readonly stat: DiskStat;
}

type LogWorld = Pick<ReaderWorld, "clock" | "random"> & { readonly disk: Disk };

export class LogReader implements StreamReader {
  isCaughtUp = false;
  readonly #request: ReaderRequest;
  readonly #settings: LogSettings;
  readonly #world: LogWorld;
  #place: Place | null = null;
  /** The last file that is over, and those that changed at the same time: clocks of disks are coarse. */
  #finished: readonly Finished[] = [];
  #open: { readonly file: DiskFile; readonly path: string } | null = null;
  /** Since when nothing came to a file that has lost its name. */
  #quiet: {
    readonly inode: string;
    readonly sizeBytes: number;
    readonly sinceMs: number;
  } | null = null;
  /** Of the open file when it was looked at last. */
  #seenBytes = 0;
  /** The position that is in the lake. */
  #landed: ReturnType<typeof positionFromText> | null = null;
  /** Since it was opened, and of stretches that are not in the lake yet, by their ends. */
  #landedBytes = 0;
  readonly #sealedBytes = new Map<string, number>();
  readonly #lagClock: LagClock<number>;

  /** What an earlier reader left unnamed goes. */
  static async open(
    request: ReaderRequest,
    settings: LogSettings,
    world: Omit<LogWorld, "disk">,
    disk: Disk,
  ): Promise<LogReader> {
    const { folder, lakeRoot } = request;
    const durable = new Durable(disk, lakeRoot);
    await emptyFolder(durable, folder);
    return new LogReader(request, settings, { ...world, disk });
  }

  private constructor(request: ReaderRequest, settings: LogSettings, world: LogWorld) {
    this.#request = request;
    this.#settings = settings;
    this.#world = world;
    this.#lagClock = new LagClock(world.clock);
    if (request.from === null) return;
    this.#landed = positionFromText(request.from);
    const { place, finished } = this.#landed;
    this.#place = place;
    this.#finished = finished;
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const { clock } = this.#world;
    const endMs = clock.nowMs() + limits.ms;
    for (;;) {
      const step = await this.#step(limits.bytes);
      if (typeof step === "object") return step;
      if (step === "again") continue;
      // A file that was rotated away is waited for: the one after it has not been looked at.
      this.isCaughtUp ||= this.#quiet === null;
      if (signal.aborted || clock.nowMs() >= endMs) return null;
      await clock.sleep(Math.min(LOOK_MS, limits.ms), signal);
    }
  }

  /** The position is in the lake: there is nobody else to tell. */
  async acknowledge(position: string): Promise<void> {
    this.#landed = positionFromText(position);
    this.#landedBytes += this.#sealedBytes.get(position) ?? 0;
    this.#sealedBytes.delete(position);
  }

  /** Bytes of the file, and of those that it was rotated to meanwhile. */
  async lag(): Promise<Lag> {
    const place = this.#landed?.place ?? null;
    const holder = place === null ? null : await this.#holder(place, () => true);
    const finished = this.#landed?.finished ?? [];
    let bytes = 0;
    for (const { path, stat } of await this.#files()) {
      if (stat.inode === holder?.stat.inode) bytes += stat.sizeBytes - (place?.byte ?? 0);
      else if (holder?.path === this.#settings.path) continue;
      else if (finished.some((one) => one.place.inode === stat.inode)) continue;
      else if (path === this.#settings.path) bytes += stat.sizeBytes;
      else if (holder !== null && stat.modifiedNs >= holder.stat.modifiedNs) {
        bytes += stat.sizeBytes;
      }
    }
    const ms = this.#lagClock.ageMs(this.#landedBytes, this.#landedBytes + bytes);
    return { bytes, rows: null, ms };
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = null;
  }

  /** One look: a stretch; `again` when another look may find more at once; `wait` when nothing is there. */
  async #step(bytesMax: number): Promise<SealedStretch | "again" | "wait"> {
    const open = this.#open ?? (await this.#find());
    if (open === null) return "wait";
    this.#open = open;
    const stat = await worded("read", open.path, open.file.stat());
    const place = this.#placeIn(stat);
    if (!(await this.#isSame(open.file, stat, place))) return await this.#replaced(place);
    this.#seenBytes = stat.sizeBytes;
    const isOver = await this.#isOver(stat);
    const bytes = await readBytes(
      open,
      place.byte,
      Math.min(stat.sizeBytes, place.byte + bytesMax),
    );
    const end = isOver ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) return await this.#seal(open, place, bytes.subarray(0, end));
    if (bytes.length >= bytesMax) throw tooLong(open.path, place.byte, bytesMax);
    if (!isOver) {
      // Nothing was taken of it: it may be cut short unseen, with a copy of what it held beside it. Who is next is
      // asked anew.
      if (this.#place?.overNs !== null) await this.close();
      return "wait";
    }
    await this.close();
    this.#quiet = null;
    this.#end(place, stat.modifiedNs);
    return "again";
  }

  #end(place: Place, modifiedNs: bigint): void {
    this.#place = { ...place, overNs: modifiedNs };
    const last = this.#finished.slice(-FINISHED_KEPT);
    const kept = this.#finished.filter((one) => one.modifiedNs >= modifiedNs || last.includes(one));
    this.#finished = [...kept, { place, modifiedNs }];
  }

  /** The place in the open file: its beginning, when the last one is over. */
  #placeIn(stat: DiskStat): Place {
    const place = this.#place;
    const isIn = place !== null && place.overNs === null;
    return isIn ? place : { inode: stat.inode, byte: 0, ...NO_HEAD };
  }

  /** True for the file that the place is in: it has the bytes that were handed over, as far as they are known. */
  async #isSame(file: DiskFile, stat: DiskStat, place: Place): Promise<boolean> {
    if (stat.sizeBytes < place.byte) return false;
    return place.head === (await headOf(file, place.headBytes));
  }

  /** A file that is written no more: another one has its name, and nothing has come for a while. */
  async #isOver(stat: DiskStat): Promise<boolean> {
    const named = await this.#statOf(this.#settings.path);
    const nowMs = this.#world.clock.nowMs();
    if (named === null || named.inode === stat.inode) {
      this.#quiet = null;
      return false;
    }
    const { inode, sizeBytes } = stat;
    if (this.#quiet?.sizeBytes !== sizeBytes || this.#quiet.inode !== inode) {
      this.#quiet = { inode, sizeBytes, sinceMs: nowMs };
    }
    return nowMs - this.#quiet.sinceMs >= QUIET_MS;
  }

  /** The file that was begun after one that is over: the oldest of those that are neither it nor copies of it. */
  async #after(overNs: bigint): Promise<Found | null> {
    const later: Found[] = [];
    for (const found of await this.#files()) {
      const isNamed = found.path === this.#settings.path;
      if (found.stat.modifiedNs < overNs && !isNamed) continue;
      if (!(await this.#isFinished(found))) later.push(found);
    }
    await this.#refusePacked(overNs);
    // What was rotated was written before, whatever time a copy of it has.
    const rotated = later.filter(({ path }) => path !== this.#settings.path);
    return rotated.toSorted(byAge)[0] ?? later[0] ?? null;
  }

  /** A file that was packed before it was read would be left out. */
  async #refusePacked(overNs: bigint): Promise<void> {
    if (this.#settings.on_gap !== "stop") return;
    for (const { path, stat } of await this.#beside(isPacked)) {
      if (stat.modifiedNs < overNs) continue;
      const file = await worded("open", path, this.#world.disk.open(path));
      const first = Math.min(stat.sizeBytes, PACKED_BYTES);
      const bytes = await readBytes({ file, path }, 0, first).finally(() => file.close());
      const start = unpackedStart(bytes);
      // One that is empty, or that cannot be told: it may be no log at all.
      if (start === null || start.length === 0) continue;
      const isKnown = this.#finished.some(({ place }) => {
        const { head, headBytes } = place;
        return headBytes > 0 && sha256Of(start.subarray(0, headBytes)) === head;
      });
      if (!isKnown) throw packed(path);
    }
  }

  async #isFinished(found: Found): Promise<boolean> {
    const isNamed = found.path === this.#settings.path;
    for (const { place } of this.#finished) {
      const isSame = found.stat.inode === place.inode && !isNamed;
      if (isSame || (place.headBytes > 0 && (await this.#isAt(found, place)))) return true;
    }
    return false;
  }

  /** The open file was cut short or written anew: a copy of what it held may lie beside it. */
  async #replaced(place: Place): Promise<"again" | "wait"> {
    const hasMore = this.#seenBytes > place.byte;
    const inode = place.inode;
    await this.close();
    const copy = await this.#holder(place, (found) => found.stat.inode !== inode);
    if (copy !== null) {
      this.#place = { ...place, inode: copy.stat.inode };
      return "again";
    }
    if (hasMore && this.#settings.on_gap === "stop") throw gap(this.#settings.path, place);
    // Whatever was seen of it was handed over.
    const named = await this.#statOf(this.#settings.path);
    this.#end({ ...place, ...NO_HEAD, inode: "" }, named?.modifiedNs ?? 0n);
    return "again";
  }

  /** Opens the file that the place is in; null when there is none yet. */
  async #find(): Promise<{ file: DiskFile; path: string } | null> {
    const place = this.#place;
    const named = await this.#statOf(this.#settings.path);
    if (place === null) {
      if (named === null) return null;
      return await this.#openAt(this.#settings.path);
    }
    if (place.overNs !== null) {
      const after = await this.#after(place.overNs);
      return after === null ? null : await this.#openAt(after.path);
    }
    const holder = await this.#holder(place, () => true);
    if (holder !== null) {
      this.#place = { ...place, inode: holder.stat.inode };
      return await this.#openAt(holder.path);
    }
    if (named === null) return null;
    if (this.#settings.on_gap === "stop") throw gap(this.#settings.path, place);
    this.#place = null;
    return await this.#openAt(this.#settings.path);
  }

  async #openAt(path: string): Promise<{ file: DiskFile; path: string }> {
    this.#seenBytes = 0;
    return { path, file: await worded("open", path, this.#world.disk.open(path)) };
  }

  /** The file that holds all up to a place: by its inode, else one that begins as it did. */
  async #holder(place: Place, isAsked: (found: Found) => boolean): Promise<Found | null> {
    let copy: Found | null = null;
    for (const found of await this.#files()) {
      if (!isAsked(found) || !(await this.#isAt(found, place))) continue;
      if (found.stat.inode === place.inode) return found;
      // Nothing that was handed over is in it: every file begins so.
      if (place.headBytes > 0) copy ??= found;
    }
    return copy;
  }

  async #isAt({ path, stat }: Found, place: Place): Promise<boolean> {
    if (stat.sizeBytes < place.byte) return false;
    const file = await worded("open", path, this.#world.disk.open(path));
    try {
      return await this.#isSame(file, stat, place);
    } finally {
      await file.close();
    }
  }

  /** The file, and those beside it that it was rotated to, the file last. */
  async #files(): Promise<Found[]> {
    const beside = await this.#beside((name) => !isPacked(name));
    const { path } = this.#settings;
    const stat = await this.#statOf(path);
    return stat?.kind === "file" ? [...beside, { path, stat }] : beside;
  }

  /** Files that begin with its name. */
  async #beside(isMeant: (name: string) => boolean): Promise<Found[]> {
    const { path } = this.#settings;
    const cut = path.lastIndexOf("/");
    const [folder, own] = [path.slice(0, cut) || "/", path.slice(cut + 1)];
    const stem = own.replace(/\.[^.]*$/, "");
    const entries = await worded("list", folder, this.#world.disk.entries(folder));
    const found: Found[] = [];
    for (const { kind, name } of entries) {
      const isNamedSo = name.startsWith(own) || name.startsWith(`${stem}-`);
      if (kind !== "file" || name === own || !isNamedSo || !isMeant(name)) continue;
      const each = `${path.slice(0, cut)}/${name}`;
      const stat = await this.#statOf(each);
      if (stat?.kind === "file") found.push({ path: each, stat });
    }
    return found;
  }

  async #statOf(path: string): Promise<DiskStat | null> {
    return await worded("look at", path, this.#world.disk.stat(path));
  }

  async #seal(
    open: { readonly file: DiskFile; readonly path: string },
    place: Place,
    bytes: Uint8Array,
  ): Promise<SealedStretch> {
    this.#quiet = null;
    const byte = place.byte + bytes.length;
    const headBytes = Math.min(HEAD_BYTES, byte);
    const head = await headOf(open.file, headBytes);
    this.#place = { inode: place.inode, byte, head, headBytes, overNs: null };
    const base = open.path.slice(open.path.lastIndexOf("/") + 1);
    const { folder } = this.#request;
    const name = `${base}@${place.inode}+${place.byte}`;
    const sealed = await sealBytes(bytes, name, { folder, ...this.#world });
    const to = positionText(this.#place, this.#finished);
    this.#sealedBytes.set(to, bytes.length);
    return { to, files: [{ ...sealed, tables: [""] }] };
  }
}

/** By when they were changed; clocks of disks are coarse, and files are numbered as they are made. */
function byAge(one: Found, other: Found): number {
  const between = Number(one.stat.modifiedNs - other.stat.modifiedNs);
  return between !== 0 ? between : Number(numberOf(one) - numberOf(other));
}

function numberOf({ stat }: Found): bigint {
  return BigInt(/\d+$/.exec(stat.inode)?.[0] ?? 0);
}

const NO_HEAD = { head: "", headBytes: 0, overNs: null };

async function headOf(file: DiskFile, length: number): Promise<string> {
  if (length === 0) return "";
  return sha256Of(await readBytes({ file, path: "" }, 0, length));
}

async function readBytes(
  { file, path }: { readonly file: DiskFile; readonly path: string },
  from: number,
  to: number,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(Math.max(0, to - from));
  let have = 0;
  while (have < buffer.length) {
    const count = await worded("read", path, file.read(buffer.subarray(have), from + have));
    if (count === 0) break;
    have += count;
  }
  return buffer.subarray(0, have);
}

function positionText(place: Place, finished: readonly Finished[]): string {
  const { overNs: _, ...where } = place;
  const before = finished.map(({ place: { overNs: __, ...rest }, modifiedNs }) => ({
    ...rest,
    modifiedNs: String(modifiedNs),
  }));
  // Where it is comes first, for people; it is read from what follows.
  return `byte ${place.byte} ${stringifyJson({ ...where, finished: before })}`;
}

function positionFromText(text: string): { place: Place; finished: readonly Finished[] } {
  const json = parseJson(text.slice(text.indexOf("{")));
  const { finished = [], ...place } = isJsonObject(json) ? json : {};
  const list = Array.isArray(finished) ? finished.filter(isJsonObject) : [];
  return {
    place: placeFromJson(place),
    finished: list.map((one) => ({
      place: placeFromJson(one),
      modifiedNs: BigInt(String(one.modifiedNs)),
    })),
  };
}

function placeFromJson({ inode, byte, head, headBytes }: JsonObject): Place {
  return {
    inode: String(inode),
    byte: Number(byte),
    head: String(head),
    headBytes: Number(headBytes),
    overNs: null,
  };
}

function gap(path: string, { inode, byte }: Place): LakeError {
  return new LakeError("input", `${path} was read to byte ${byte} of a file that is gone`, {
    hint:
      "bring the rotated file back beside it, under a name that begins with its own; " +
      "or go on without what it held: on_gap: continue",
    context: { path, inode, byte },
  });
}

function packed(path: string): LakeError {
  return new LakeError("input", `${path} was packed before it was read`, {
    hint: "unpack it beside the log; or go on without what it holds: on_gap: continue",
    context: { path },
  });
}

function tooLong(path: string, byte: number, bytesMax: number): LakeError {
  return new LakeError("input", `a line of ${path} has more than ${bytesMax} bytes`, {
    hint: `it begins at byte ${byte}; drop the file instead`,
    context: { path, byte },
  });
}

/**
 * A disk that can lose power: what programs see is a real folder (the page cache), what survives is a model
 * beside it. robustness.md 4.3: unsynced bytes are kept, lost or torn by sector, names last only after a
 * folder's fsync, a rename is atomic, a failed fsync marks its data clean and loses it.
 */

import {
  type Dirent,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { systemCode } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { Disk, DiskEntry, DiskFile, DiskStat } from "../../storage/disk/disk.ts";
import { realDisk } from "../../storage/disk/durable.ts";
import { keptShare, random, torn } from "./torn.ts";
import {
  apply,
  copyTree,
  emptyFolder,
  type FileNode,
  type FolderNode,
  isDurable,
  type NameChange,
  type TreeNode,
} from "./tree.ts";

export type DiskOpKind =
  | "create"
  | "open"
  | "write"
  | "sync"
  | "rename"
  | "link"
  | "unlink"
  | "make-folder"
  | "remove-folder"
  | "sync-folder";

export interface DiskOp {
  readonly kind: DiskOpKind;
  readonly path: string;
  readonly to?: string;
}

/** Thrown by every operation after the power went, so that no clean-up code acts on the dead disk. */
export class PowerLost extends Error {
  override readonly name = "PowerLost";
}

export interface SimDiskOptions {
  /** A real folder, empty or with a durable state. */
  readonly root: string;
  /** Called before each operation, counted from 0; what it throws is what the operation throws. */
  readonly before?: (op: DiskOp, index: number) => void;
  /** Names that a crash leaves as they are: files of programs with a discipline of their own (SQLite). */
  readonly trusted?: (path: string) => boolean;
  /** What programs see; the system's asynchronous disk unless told otherwise. */
  readonly disk?: Disk;
  /** What was durable when `tree` was taken; absent: all that is there. */
  readonly tree?: FolderNode;
}

type CachedFiles = Map<FileNode, { readonly bytes: Uint8Array; readonly modified: Date }>;

export class SimDisk implements Disk {
  readonly root: string;
  readonly log: DiskOp[] = [];
  #before: (op: DiskOp, index: number) => void;
  readonly #trusted: (path: string) => boolean;
  readonly #disk: Disk;
  #tree: FolderNode;
  #dead = false;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: SimDiskOptions) {
    this.root = options.root;
    this.#before = options.before ?? (() => {});
    this.#trusted = options.trusted ?? (() => false);
    this.#disk = options.disk ?? realDisk;
    this.#tree =
      options.tree === undefined ? this.#readFolder(options.root) : copyTree(options.tree);
  }

  /** What is durable and what is not, for a later disk on a copy of the same folder. */
  tree(): FolderNode {
    this.#takeInUnknown(this.root, this.#tree);
    return copyTree(this.#tree);
  }

  /** True when a file below the root would be whole after any crash. */
  isDurable(path: string): boolean {
    return isDurable(this.#tree, path.slice(this.root.length + 1).split("/"));
  }

  /** Replaces the hook, such as for a second run on what a crash left. */
  set before(hook: (op: DiskOp, index: number) => void) {
    this.#before = hook;
  }

  create(path: string): Promise<DiskFile> {
    return this.#op({ kind: "create", path }, async () => {
      const file = await this.#disk.create(path);
      const node: FileNode = { kind: "file", synced: new Uint8Array(0), dirty: true };
      this.#change(path, (name) => ({ removes: [], adds: [{ name, node }] }));
      return this.#wrap(file, path, node);
    });
  }

  open(path: string): Promise<DiskFile> {
    return this.#op({ kind: "open", path }, async () => {
      const file = await this.#disk.open(path);
      return this.#wrap(file, path, this.#nodeOf(path));
    });
  }

  async stat(path: string): Promise<DiskStat | null> {
    this.#alive();
    return await this.#disk.stat(path);
  }

  async entries(path: string): Promise<DiskEntry[]> {
    this.#alive();
    return await this.#disk.entries(path);
  }

  makeFolder(path: string): Promise<void> {
    return this.#op({ kind: "make-folder", path }, async () => {
      await this.#disk.makeFolder(path);
      this.#change(path, (name) => ({ removes: [], adds: [{ name, node: emptyFolder() }] }));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#op({ kind: "rename", path: from, to }, async () => {
      const node = this.#nodeOf(from);
      await this.#disk.rename(from, to);
      if (node === null) return;
      if (parentOf(from) === parentOf(to)) {
        this.#change(to, (name) => ({ removes: [nameOf(from)], adds: [{ name, node }] }));
      } else {
        // Two folders, two entries: atomic each, but not together.
        this.#change(to, (name) => ({ removes: [], adds: [{ name, node }] }));
        this.#change(from, (name) => ({ removes: [name], adds: [] }));
      }
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#op({ kind: "link", path: from, to }, async () => {
      const node = this.#nodeOf(from);
      await this.#disk.link(from, to);
      if (node !== null) this.#change(to, (name) => ({ removes: [], adds: [{ name, node }] }));
    });
  }

  unlink(path: string): Promise<void> {
    return this.#op({ kind: "unlink", path }, async () => {
      await this.#disk.unlink(path);
      this.#change(path, (name) => ({ removes: [name], adds: [] }));
    });
  }

  removeFolder(path: string): Promise<void> {
    return this.#op({ kind: "remove-folder", path }, async () => {
      await this.#disk.removeFolder(path);
      this.#change(path, (name) => ({ removes: [name], adds: [] }));
    });
  }

  syncFolder(path: string): Promise<void> {
    const folder = this.#folderOf(path);
    const forget = (): void => {
      if (folder !== null) folder.pending = [];
    };
    const action = async (): Promise<void> => {
      if (folder === null) return;
      for (const change of folder.pending) apply(folder.durable, change);
      folder.pending = [];
    };
    return this.#op({ kind: "sync-folder", path }, action, forget);
  }

  /** Cuts the power: every operation fails from now on. */
  powerOff(): void {
    this.#dead = true;
  }

  /**
   * After `powerOff` (or with it): the folder becomes one of the states that a real disk could show afterwards,
   * chosen by the seed. `restart` gives the disk that finds it.
   */
  async crash(seed: number): Promise<void> {
    this.#dead = true;
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    this.#takeInUnknown(this.root, this.#tree);
    this.#rebuild(this.root, this.#tree, random(seed));
  }

  /** The disk of the next start, on what the crash left; all of that is durable. */
  restart(before?: (op: DiskOp, index: number) => void): SimDisk {
    const options = { root: this.root, trusted: this.#trusted, disk: this.#disk };
    return new SimDisk(before === undefined ? options : { ...options, before });
  }

  /** True once `crash` was called. */
  get dead(): boolean {
    return this.#dead;
  }

  #alive(): void {
    if (this.#dead) throw new PowerLost("the power is off");
  }

  #op<T>(op: DiskOp, action: () => Promise<T>, onFailure?: () => void): Promise<T> {
    const running = (async () => {
      this.#alive();
      const index = this.log.length;
      this.log.push(op);
      try {
        this.#before(op, index);
      } catch (thrown) {
        if (systemCode(thrown) !== "") onFailure?.();
        throw thrown;
      }
      this.#alive();
      return await action();
    })();
    this.#underWay.add(running);
    const leave = (): void => {
      this.#underWay.delete(running);
    };
    running.then(leave, leave);
    return running;
  }

  #wrap(file: DiskFile, path: string, node: TreeNode | null): DiskFile {
    const data = node?.kind === "file" ? node : null;
    const markClean = (): void => {
      if (data !== null) data.dirty = false;
    };
    const sync = async (): Promise<void> => {
      if (data === null || !data.dirty) return;
      data.synced = await contentOf(file, path);
      data.dirty = false;
    };
    return {
      read: async (buffer, position) => {
        this.#alive();
        return await file.read(buffer, position);
      },
      write: (bytes, position) =>
        this.#op({ kind: "write", path }, async () => {
          await file.write(bytes, position);
          if (data !== null) data.dirty = true;
        }),
      stat: () => file.stat(),
      sync: () => this.#op({ kind: "sync", path }, sync, markClean),
      // A dead process's files are closed by the system.
      close: () => file.close(),
    };
  }

  #change(path: string, make: (name: string) => NameChange): void {
    const folder = this.#folderOf(parentOf(path));
    if (folder === null) return;
    const change = make(nameOf(path));
    apply(folder.view, change);
    folder.pending.push(change);
  }

  #folderOf(path: string): FolderNode | null {
    if (path === this.root) return this.#tree;
    const node = this.#nodeOf(path);
    return node?.kind === "folder" ? node : null;
  }

  /** The node of a path below the root; what other programs made is entered as unsynced. Null outside. */
  #nodeOf(path: string): TreeNode | null {
    if (!path.startsWith(`${this.root}/`)) return null;
    const parent = this.#folderOf(parentOf(path));
    if (parent === null) return null;
    const known = parent.view.get(nameOf(path));
    if (known !== undefined) return known;
    this.#takeInUnknown(parentOf(path), parent);
    return parent.view.get(nameOf(path)) ?? null;
  }

  /** Files and folders that appeared without us: a worker's output, all of it unsynced. */
  #takeInUnknown(path: string, folder: FolderNode): void {
    for (const entry of sortedEntries(path)) {
      const child = `${path}/${entry.name}`;
      if (this.#trusted(child)) continue;
      let node = folder.view.get(entry.name);
      if (node === undefined) {
        const unsynced: FileNode = { kind: "file", synced: new Uint8Array(0), dirty: true };
        node = entry.isDirectory() ? emptyFolder() : unsynced;
        const change = { removes: [], adds: [{ name: entry.name, node }] };
        apply(folder.view, change);
        folder.pending.push(change);
      }
      if (node.kind === "folder") this.#takeInUnknown(child, node);
    }
  }

  /** The state of a folder at the start: all of it durable. */
  #readFolder(path: string): FolderNode {
    const durable = new Map<string, TreeNode>();
    for (const entry of sortedEntries(path)) {
      const child = `${path}/${entry.name}`;
      if (this.#trusted(child)) continue;
      const node = entry.isDirectory()
        ? this.#readFolder(child)
        : { kind: "file" as const, synced: new Uint8Array(readFileSync(child)), dirty: false };
      durable.set(entry.name, node);
    }
    return { kind: "folder", durable, view: new Map(durable), pending: [] };
  }

  #rebuild(path: string, folder: FolderNode, chance: () => number): void {
    const cached = this.#cachedFiles(path, folder, new Map());
    for (const entry of readdirSync(path)) {
      if (!this.#trusted(`${path}/${entry}`)) rmSync(`${path}/${entry}`, { recursive: true });
    }
    this.#write(path, folder, cached, chance);
  }

  /** What programs saw in each file, read before the folder is emptied. */
  #cachedFiles(path: string, folder: FolderNode, files: CachedFiles): CachedFiles {
    for (const [name, node] of folder.view) {
      const child = `${path}/${name}`;
      if (node.kind === "folder") this.#cachedFiles(child, node, files);
      else {
        const bytes = new Uint8Array(readFileSync(child));
        files.set(node, { bytes, modified: statSync(child).mtime });
      }
    }
    return files;
  }

  #write(path: string, folder: FolderNode, cached: CachedFiles, chance: () => number): void {
    const names = new Map(folder.durable);
    const kept = keptShare(chance);
    for (const change of folder.pending) if (chance() < kept) apply(names, change);
    for (const [name, node] of names) {
      const child = `${path}/${name}`;
      if (node.kind === "folder") {
        mkdirSync(child, { recursive: true, mode: 0o700 });
        this.#write(child, node, cached, chance);
      } else {
        const seen = cached.get(node);
        const isTorn = node.dirty && seen !== undefined;
        const bytes = isTorn ? torn(node.synced, seen.bytes, chance) : node.synced;
        writeFileSync(child, bytes, { mode: 0o600 });
        if (seen !== undefined) utimesSync(child, seen.modified, seen.modified);
      }
    }
  }
}

/** In an order that a seed can repeat. */
function sortedEntries(path: string): Dirent[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.sort((a, b) => compareCodePoints(a.name, b.name));
}

async function contentOf(file: DiskFile, path: string): Promise<Uint8Array> {
  const { sizeBytes } = await file.stat();
  const bytes = new Uint8Array(sizeBytes);
  try {
    let done = 0;
    while (done < sizeBytes) {
      const count = await file.read(bytes.subarray(done), done);
      if (count === 0) break;
      done += count;
    }
    return bytes;
  } catch (thrown) {
    // A handle for writing only cannot be read through.
    if (systemCode(thrown) === "EBADF") return new Uint8Array(readFileSync(path));
    throw thrown;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

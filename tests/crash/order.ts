/** Proof from a system-call trace: what a commit names was made durable before the commit itself was. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Call, readTrace } from "./trace.ts";

/** A text that the commit writes into the catalog, and every file that becomes reachable by it. */
export interface Naming {
  readonly key: string;
  readonly files: readonly string[];
}

export interface Proof {
  readonly commits: number;
  readonly files: number;
  readonly folders: number;
  readonly problems: readonly string[];
}

const CALLS = [
  "open",
  "openat",
  "creat",
  "write",
  "pwrite64",
  "writev",
  "pwritev",
  "pwritev2",
  "copy_file_range",
  "sendfile",
  "fallocate",
  "ftruncate",
  "fsync",
  "fdatasync",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlink",
  "unlinkat",
  "mkdir",
  "mkdirat",
  "ioctl",
];
/** Longer than any page SQLite writes, so that names inside pages are in the log. */
const STRING_BYTES_MAX = 70_000;

/** Runs a command under strace and gives its calls; throws when the command fails. */
export async function traceCommand(
  command: readonly string[],
  cwd: string,
  log: string,
): Promise<Call[]> {
  const trace = `trace=${CALLS.join(",")}`;
  const options = ["-f", "-y", "-qq", "-s", String(STRING_BYTES_MAX), "-e", trace, "-o", log];
  const child = spawn("strace", [...options, "-e", "signal=none", "--", ...command], {
    cwd,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (bytes) => {
    stderr += String(bytes);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0)
    throw new Error(`${command.join(" ")} ended with ${code}: ${stderr.slice(-2000)}`);
  return readTrace(readFileSync(log, "latin1"));
}

/** Checks every naming against the calls. `lake` is the root; its catalog is `catalog.db` in it. */
export function proveOrder(
  calls: readonly Call[],
  lake: string,
  namings: readonly Naming[],
): Proof {
  const history = new History(calls, lake);
  const problems: string[] = [];
  const proven = { files: new Set<string>(), folders: new Set<string>(), commits: 0 };
  for (const naming of namings) {
    const sync = history.commitSync(naming.key);
    if (sync === null) {
      problems.push(`no write of ${naming.key} to the log is followed by a sync of it`);
      continue;
    }
    proven.commits += 1;
    for (const file of naming.files) {
      proven.files.add(file);
      problems.push(...history.checkFile(file, sync));
      for (const folder of foldersBetween(lake, file)) proven.folders.add(folder);
    }
  }
  const { commits } = proven;
  const unique = [...new Set(problems)];
  return { commits, files: proven.files.size, folders: proven.folders.size, problems: unique };
}

interface FileHistory {
  readonly writes: Call[];
  readonly syncs: Call[];
}

/** Which file was behind which name, what was written and synced when. */
class History {
  readonly #lake: string;
  readonly #calls: readonly Call[];
  readonly #files = new Map<string, FileHistory>();
  /** The call that gave a path its present file. */
  readonly #namedBy = new Map<string, Call>();
  readonly #folderSyncs = new Map<string, Call[]>();
  readonly #madeBy = new Map<string, Call>();

  constructor(calls: readonly Call[], lake: string) {
    this.#lake = lake;
    this.#calls = calls;
    for (const call of calls) if (call.result !== null && call.result >= 0) this.#take(call);
  }

  /**
   * The sync that makes the first catalog write with this text last: the writer's very next call that is not another
   * write to the log. Null when there is no such write, or when something else comes first.
   */
  commitSync(key: string): Call | null {
    const wal = `${this.#lake}/catalog.db-wal`;
    const isWrite = (call: Call) => call.name.startsWith("pwrite") && call.paths[0] === wal;
    const at = this.#calls.findIndex((call) => isWrite(call) && call.args.includes(key));
    const write = this.#calls[at];
    if (write === undefined) return null;
    const next = this.#calls
      .slice(at + 1)
      .find((call) => call.thread === write.thread && !isWrite(call));
    const isSync = next?.name === "fsync" || next?.name === "fdatasync";
    return next !== undefined && isSync && next.paths[0] === wal ? next : null;
  }

  checkFile(path: string, commit: Call): string[] {
    const named = this.#namedBy.get(path);
    const file = this.#files.get(path);
    if (named === undefined || file === undefined) {
      return [`${path} is named by a commit, and nothing in the trace made it`];
    }
    const problems: string[] = [];
    const late = file.writes.filter((write) => write.endLine > commit.startLine);
    if (late.length > 0) problems.push(`${path} is written after the commit that names it`);
    const lastWrite = file.writes.at(-1) ?? named;
    if (!file.syncs.some((sync) => isBetween(sync, lastWrite, commit))) {
      problems.push(`${path} is not synced between its last write and the commit`);
    }
    const folder = dirname(path);
    if (!this.#folderSynced(folder, named, commit)) {
      problems.push(`${folder} is not synced after ${path} got its name and before the commit`);
    }
    for (const made of foldersBetween(this.#lake, path)) {
      const by = this.#madeBy.get(made);
      if (by === undefined || this.#folderSynced(dirname(made), by, commit)) continue;
      problems.push(`${dirname(made)} is not synced after ${made} was made and before the commit`);
    }
    return problems;
  }

  #folderSynced(folder: string, after: Call, before: Call): boolean {
    const syncs = this.#folderSyncs.get(folder) ?? [];
    return syncs.some((sync) => isBetween(sync, after, before));
  }

  #take(call: Call) {
    const [path, target] = call.paths;
    if (path === undefined) return;
    if (call.name === "fsync" || call.name === "fdatasync") {
      this.#folderSyncs.set(path, [...(this.#folderSyncs.get(path) ?? []), call]);
      this.#files.get(path)?.syncs.push(call);
    } else if (call.name.startsWith("rename") && target !== undefined) {
      this.#name(target, this.#fileAt(path), call);
      this.#files.delete(path);
    } else if (call.name.startsWith("link") && target !== undefined) {
      this.#name(target, this.#fileAt(path), call);
    } else if (call.name.startsWith("unlink")) {
      this.#files.delete(path);
    } else if (call.name.startsWith("mkdir")) {
      this.#madeBy.set(path, call);
    } else if (call.name.startsWith("open") || call.name === "creat") {
      const creates = call.name === "creat" || call.args.includes("O_CREAT");
      if (creates && !this.#files.has(path)) this.#name(path, { writes: [], syncs: [] }, call);
    } else if (isWrite(call)) {
      const written = call.name === "copy_file_range" ? (target ?? path) : path;
      this.#files.get(written)?.writes.push(call);
    }
  }

  #fileAt(path: string): FileHistory {
    return this.#files.get(path) ?? { writes: [], syncs: [] };
  }

  #name(path: string, file: FileHistory, by: Call) {
    this.#files.set(path, file);
    this.#namedBy.set(path, by);
  }
}

function isWrite(call: Call): boolean {
  if (call.name === "ioctl") return call.args.includes("FICLONE");
  return /write|copy_file_range|sendfile|fallocate|ftruncate/.test(call.name);
}

/** True when `call` began after `after` ended and ended before `before` began. */
function isBetween(call: Call, after: Call, before: Call): boolean {
  return call.startLine > after.endLine && call.endLine < before.startLine;
}

/** Folders from just below the root down to the one that holds the file. */
function foldersBetween(root: string, file: string): string[] {
  const folders: string[] = [];
  for (let at = dirname(file); at.length > root.length; at = dirname(at)) folders.push(at);
  return folders;
}

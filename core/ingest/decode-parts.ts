/** Parts of a group of files: one that takes a worker down leaves its part, and takes no other with it. */

import { LakeError } from "../base/errors.ts";
import type { ClaimedFile } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import type { QuarantineReason } from "./quarantine.ts";

/** A file that killed or stalled a worker this often is set aside whole. */
const STRIKES_MAX = 2;

/** A file that is set aside whole, with the reason of the quarantine list. */
export interface SetAside {
  readonly file: ClaimedFile;
  readonly reason: QuarantineReason;
  readonly message: string;
}

/** Files of a group that are read together. */
export interface Part {
  readonly files: readonly ClaimedFile[];
  /** Files that took the worker down and left. */
  readonly struck: number;
}

/**
 * Runs `work` over each part of the group. A file that takes the worker down leaves its part, is tried once more alone,
 * and is set aside the second time. A part that was struck twice, or by nobody knows which of its files, goes on in
 * halves: however many files break, none is read much more often than there are halves.
 */
export async function guarded(
  catalog: Catalog,
  state: { parts: readonly Part[]; readonly setAside: SetAside[] },
  work: (files: readonly ClaimedFile[]) => Promise<void>,
): Promise<void> {
  const done: Part[] = [];
  const queue = [...state.parts];
  for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
    const struck = part.files.length === 0 ? null : await attempt(catalog, part.files, work);
    if (struck === null) done.push(part);
    else if (struck.setAside !== null) state.setAside.push(struck.setAside);
    else if (struck.file === null) queue.unshift(...halves(part));
    else {
      queue.push({ files: [struck.file], struck: 0 });
      queue.unshift(...again(without(part, struck.file)));
    }
  }
  // Reading the others may have refused some of them.
  const aside = new Set(state.setAside.map(({ file }) => file));
  state.parts = done.map(({ files, struck }) => ({
    files: files.filter((file) => !aside.has(file)),
    struck,
  }));
}

function again(part: Part): Part[] {
  return part.struck < STRIKES_MAX ? [part] : halves(part);
}

function halves({ files }: Part): Part[] {
  const middle = Math.ceil(files.length / 2);
  const both = [files.slice(0, middle), files.slice(middle)];
  return both.filter((half) => half.length > 0).map((half) => ({ files: half, struck: 0 }));
}

function without({ files, struck }: Part, file: ClaimedFile): Part {
  return { files: files.filter((candidate) => candidate !== file), struck: struck + 1 };
}

/** Null when the work is done; else the file that was struck, where that is known, and whether it is given up. */
async function attempt(
  catalog: Catalog,
  files: readonly ClaimedFile[],
  work: (files: readonly ClaimedFile[]) => Promise<void>,
): Promise<{ readonly file: ClaimedFile | null; readonly setAside: SetAside | null } | null> {
  try {
    await work(files);
    return null;
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const { killed, file: named } = thrown.context;
    if (killed === undefined) throw thrown;
    const file = files.find((candidate) => candidate.name === named) ?? onlyFile(files);
    if (file === undefined) return { file: null, setAside: null };
    const strikes = await catalog.ledger.strike(file.sha256, 1);
    const reason = killed === "crash" ? "crash" : "limit";
    // Of several the worker may name one that only was with the other.
    const isAlone = files.length === 1 && strikes >= STRIKES_MAX;
    return { file, setAside: isAlone ? asideFor(file, reason, thrown.message) : null };
  }
}

function onlyFile(files: readonly ClaimedFile[]): ClaimedFile | undefined {
  return files.length === 1 ? files[0] : undefined;
}

export function asideFor(file: ClaimedFile, reason: QuarantineReason, message: string): SetAside {
  return { file, reason, message };
}

/** Files of one shape, decoded by one statement; files with bad rows are repaired and the statement is run again. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { FileFault, StagedFile } from "../../core/engine.ts";
import { type Misfits, NO_MISFITS } from "./first-misfit.ts";
import { countByFile, EarlyWrite, type GroupContext, type Work, write } from "./group-write.ts";
import type { Prepared } from "./prepared.ts";
import { isGuardFailure } from "./target-list.ts";
import { faultOf, Unreadable } from "./unreadable.ts";

export type { GroupContext, Work } from "./group-write.ts";

export interface Repaired {
  readonly work: Work;
  /** The rows of `work` that land. */
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  /** Names in the file whose values do not fit, or that nobody knows; only when they are to be reported. */
  readonly misfits: Misfits;
  /** What was written of the file is not what lands. */
  readonly redo: boolean;
  /** What was done to rows that land, in words for the ledger; absent: nothing. */
  readonly remark?: string;
}

/** How files of one format are read. */
export interface GroupReader {
  /** A SELECT of the schema's columns over the rows that fit, in the order of the files and their rows. */
  select(works: readonly Work[]): string;
  /** The same rows of files without any fault, faster; fails by the guard of targetList at the first that has one. */
  strict?(works: readonly Work[]): string;
  /** Some rows are known not to fit: `strict` is not worth a try. */
  readonly hasMisfits?: boolean;
  /** Rows have to be looked for, whatever is written. */
  isDoubtful?(works: readonly Work[]): boolean;
  /** Looks once for the rows that make `strict` fail, while the others are written; for `repair` to know. */
  look?(works: readonly Work[]): Promise<void>;
  /** Whether a walk over the bytes of these files is worth it. */
  isPlain?(works: readonly Work[]): boolean;
  /** Walked: ready for `plainSelect`, their bad rows set aside; null where too many are odd. `odd` is told of each. */
  walk?(works: readonly Work[], odd: () => void): Promise<readonly Repaired[] | null>;
  /** All rows of files that are plain, or were made so. */
  plainSelect?(works: readonly Work[]): string;
  /** Makes files the table's that need not be written anew; null where they do, and nothing is left of the attempt. */
  takeOver?(context: GroupContext, works: readonly Work[]): Promise<readonly StagedFile[] | null>;
  /** Rows that a file without any fault lands. */
  expected(prepared: Prepared): number;
  /** Some of its rows are corrected whatever stands in the file: it is to be repaired though nothing is wrong. */
  isCorrected(prepared: Prepared): boolean;
  /**
   * Finds what is wrong with a file that landed another number of rows; `landed` is null when it was not read.
   * `isStrict`: by `strict`, so that each row that was read fits.
   */
  repair(work: Work, landed: number | null, isStrict: boolean): Promise<Repaired>;
}

export interface GroupFile {
  readonly prepared: Prepared;
  readonly rowsIn: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  /** As in DecodedFile. */
  readonly unread?: string;
  readonly fault: FileFault | null;
  readonly misfits: Misfits;
}

/** Runs of one statement: a repaired file that still does not add up is given up. */
const ATTEMPTS_MAX = 8;
/** After so many failing runs every file is copied as it is understood here: the copies are plain. */
const SEARCHES_MAX = 2;

interface State {
  work: Work;
  result: GroupFile | null;
  /** What is known to land; null until repaired. */
  repaired: Repaired | null;
}

/** Decodes a group; files that cannot be read, or that are reported, are not in what was written. */
export async function decodeGroup(
  context: GroupContext,
  reader: GroupReader,
  files: readonly Prepared[],
): Promise<{ files: GroupFile[]; staged: readonly StagedFile[] }> {
  const states: State[] = files.map((prepared) => ({
    work: { prepared, path: prepared.path, trusted: false, longestBytes: 0 },
    result: null,
    repaired: null,
  }));
  const whole =
    (await takeOver(context, reader, states)) ?? (await writePlain(context, reader, states));
  if (whole !== null) return finish(states, whole, reader);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const active = states.filter((state) => state.result === null);
    const written = await tryWrite(context, reader, active, attempt < SEARCHES_MAX);
    const isRight = await settle(context, reader, active, written);
    if (written !== null && isRight) return finish(states, written.staged, reader);
  }
  throw new LakeError("internal", "the rows of a file could not be accounted for", {
    hint: "report this with the file; nothing was landed",
    context: { file: states.find((state) => state.result === null)?.work.prepared.file.name ?? "" },
  });
}

async function takeOver(
  context: GroupContext,
  reader: GroupReader,
  states: readonly State[],
): Promise<readonly StagedFile[] | null> {
  if (reader.takeOver === undefined) return null;
  const works = states.map((state) => state.work);
  announceLargest(context, works);
  return reader.takeOver(context, works);
}

/** What was written where the reader can make all files ready; null, and nothing set aside, where it cannot. */
async function writePlain(
  context: GroupContext,
  reader: GroupReader,
  states: readonly State[],
): Promise<readonly StagedFile[] | null> {
  const works = states.map((state) => state.work);
  if (reader.walk === undefined || reader.isPlain?.(works) !== true) return null;
  announceLargest(context, works);
  context.rejects.begin();
  const early = new EarlyWrite(context, reader.plainSelect?.(works) ?? "", works);
  try {
    const ready = await reader.walk(works, () => early.stop());
    if (ready === null) early.stop();
    const written = await early.result();
    if (ready !== null) {
      const staged = await writeReady(context, reader, states, ready, written);
      if (staged !== null) return staged;
    }
  } catch (thrown) {
    early.stop();
    await early.result();
    if (!(thrown instanceof Unreadable) && !isFileFault(thrown)) throw thrown;
  }
  context.rejects.rollback();
  return null;
}

/** What the watchdog names when reading them takes too long. */
function announceLargest(context: GroupContext, works: readonly Work[]): void {
  const largest = works.reduce((a, b) => (b.prepared.sizeBytes > a.prepared.sizeBytes ? b : a));
  context.announce(largest.prepared.file.name);
}

async function writeReady(
  context: GroupContext,
  reader: GroupReader,
  states: readonly State[],
  ready: readonly Repaired[],
  written: readonly StagedFile[] | null,
): Promise<readonly StagedFile[] | null> {
  const [first, ...others] = states;
  const [one] = ready;
  if (first !== undefined && others.length === 0 && (one?.misfits.size ?? 0) > 0) {
    context.rejects.rollback();
    first.result = {
      ...NO_ROWS,
      prepared: first.work.prepared,
      misfits: one?.misfits ?? NO_MISFITS,
    };
    return [];
  }
  if (ready.some((repaired) => repaired.misfits.size > 0)) return null;
  const works = ready.map((repaired) => repaired.work);
  const staged = written ?? (await write(context, reader.plainSelect?.(works) ?? "", works));
  const rowsByFile = await countByFile(context, staged, works);
  const isRight = ready.every(
    ({ work, rowsLanded }) => (rowsByFile.get(work.prepared.file.name) ?? 0) === rowsLanded,
  );
  if (!isRight) return null;
  for (const [index, state] of states.entries()) state.repaired = ready[index] ?? null;
  return staged;
}

interface Attempt {
  readonly staged: readonly StagedFile[];
  /** It was written by `strict`. */
  readonly isStrict: boolean;
  readonly rowsByFile: ReadonlyMap<string, number>;
}

/** Null when the statement failed: no file of it was read to its end. */
async function tryWrite(
  context: GroupContext,
  reader: GroupReader,
  active: readonly State[],
  isSearching: boolean,
): Promise<Attempt | null> {
  if (active.length === 0) return { staged: [], isStrict: false, rowsByFile: new Map() };
  const works = active.map((state) => state.work);
  announceLargest(context, works);
  try {
    const isFirst = active.every((state) => state.repaired === null);
    const isBad = isFirst && reader.hasMisfits === true;
    const strict = isFirst && !isBad ? (reader.strict?.(works) ?? null) : null;
    const strictly = strict === null ? null : await writeStrict(context, reader, strict, works);
    const staged =
      strictly ?? (await writeFitting(context, reader, works, isBad || strict !== null));
    const rowsByFile = await countByFile(context, staged, works);
    return { staged, isStrict: strictly !== null, rowsByFile };
  } catch (thrown) {
    if (!isFileFault(thrown)) throw thrown;
    if (isSearching || active.length === 1) await giveUpBroken(context, reader, active, thrown);
    else await repairAll(context, reader, active);
    return null;
  }
}

/** Null when a row has to be looked at. */
async function writeStrict(
  context: GroupContext,
  reader: GroupReader,
  sql: string,
  works: readonly Work[],
): Promise<readonly StagedFile[] | null> {
  const looking = reader.isDoubtful?.(works) === true ? reader.look?.(works) : undefined;
  try {
    return await write(context, sql, works);
  } catch (thrown) {
    if (isGuardFailure(thrown)) return null;
    throw thrown;
  } finally {
    await looking;
  }
}

/** The rows that fit; where some are known not to, they are looked for meanwhile. */
async function writeFitting(
  context: GroupContext,
  reader: GroupReader,
  works: readonly Work[],
  isBad: boolean,
): Promise<readonly StagedFile[]> {
  const looking = isBad ? reader.look?.(works) : undefined;
  try {
    return await write(context, reader.select(works), works);
  } finally {
    await looking;
  }
}

/** Repairs what does not add up; true when what was written is what lands. */
async function settle(
  context: GroupContext,
  reader: GroupReader,
  active: readonly State[],
  written: Attempt | null,
): Promise<boolean> {
  let isRight = true;
  for (const state of active) {
    if (state.result !== null) {
      isRight = false;
      continue;
    }
    const { prepared } = state.work;
    const landed = written?.rowsByFile.get(prepared.file.name) ?? (written === null ? null : 0);
    if (state.repaired !== null) {
      if (landed === state.repaired.rowsLanded || landed === null) continue;
      giveUp(context, state, {
        reason: "unreadable",
        message: `${counted(landed, "row was", "rows were")} read where ${state.repaired.rowsLanded} stand`,
      });
      isRight = false;
      continue;
    }
    if (landed === null) continue;
    if (landed === reader.expected(prepared) && !reader.isCorrected(prepared)) continue;
    const isStrict = written?.isStrict === true;
    if (await repairOne(context, reader, state, landed, isStrict)) isRight = false;
  }
  return isRight;
}

/** True when the file has to be written again, or not at all. */
async function repairOne(
  context: GroupContext,
  reader: GroupReader,
  state: State,
  landed: number | null,
  isStrict = false,
): Promise<boolean> {
  context.announce(state.work.prepared.file.name);
  context.rejects.begin();
  try {
    const repaired = await reader.repair(state.work, landed, isStrict);
    state.repaired = repaired;
    state.work = repaired.work;
    if (repaired.misfits.size === 0) return repaired.redo;
    context.rejects.rollback();
    state.result = { ...NO_ROWS, prepared: state.work.prepared, misfits: repaired.misfits };
    return true;
  } catch (thrown) {
    if (!(thrown instanceof Unreadable) && !isFileFault(thrown)) throw thrown;
    context.rejects.rollback();
    giveUp(context, state, faultOf(thrown));
    return true;
  }
}

/** Of a file that nothing was read of. */
export const NO_ROWS = {
  rowsIn: 0,
  rowsLanded: 0,
  rowsQuarantined: 0,
  fault: null,
  misfits: NO_MISFITS,
} as const;

function giveUp(context: GroupContext, state: State, fault: FileFault): void {
  const { prepared } = state.work;
  // A file that was repaired has rejects in the common file: they would count twice.
  if (state.repaired !== null && state.repaired.rowsQuarantined > 0) {
    throw new LakeError("internal", `${prepared.file.name}: ${fault.message}`, {
      hint: "report this with the file; nothing was landed",
      context: { file: prepared.file.name },
    });
  }
  context.announce(prepared.file.name);
  state.result = { ...NO_ROWS, prepared, fault };
}

/** Finds the files that make the statement fail by reading halves, and repairs each. */
async function giveUpBroken(
  context: GroupContext,
  reader: GroupReader,
  active: readonly State[],
  cause: unknown,
): Promise<void> {
  const only = active.length === 1 ? active[0] : undefined;
  if (only !== undefined) {
    if (only.repaired !== null) giveUp(context, only, faultOf(cause));
    else await repairOne(context, reader, only, null);
    return;
  }
  const before = progressOf(active);
  const middle = Math.ceil(active.length / 2);
  for (const half of [active.slice(0, middle), active.slice(middle)]) {
    const works = half.map((state) => state.work);
    announceLargest(context, works);
    const sql = reader.select(works);
    try {
      await context.db.rows(`SELECT count(COLUMNS(*)) FROM (${sql})`);
    } catch (thrown) {
      if (!isFileFault(thrown)) throw thrown;
      await giveUpBroken(context, reader, half, thrown);
    }
  }
  // It fails as a whole only.
  if (progressOf(active) === before) await repairAll(context, reader, active);
}

async function repairAll(
  context: GroupContext,
  reader: GroupReader,
  active: readonly State[],
): Promise<void> {
  for (const state of active) {
    const isNew = state.repaired === null && state.result === null;
    if (isNew) await repairOne(context, reader, state, null);
  }
}

/** Grows with every file that is repaired or given up. */
function progressOf(states: readonly State[]): number {
  return states.reduce(
    (sum, state) => sum + (state.repaired === null ? 0 : 1) + (state.result === null ? 0 : 1),
    0,
  );
}

function finish(
  states: readonly State[],
  staged: readonly StagedFile[],
  reader: GroupReader,
): { files: GroupFile[]; staged: readonly StagedFile[] } {
  const files = states.map(({ work, repaired, result }): GroupFile => {
    if (result !== null) return result;
    const { prepared } = work;
    const rowsLanded = repaired?.rowsLanded ?? reader.expected(prepared);
    const rowsQuarantined = repaired?.rowsQuarantined ?? 0;
    const rowsIn = rowsLanded + rowsQuarantined;
    const remark = repaired?.remark;
    const said = remark === undefined ? {} : { unread: remark };
    return { ...NO_ROWS, prepared, rowsIn, rowsLanded, rowsQuarantined, ...said };
  });
  return { files, staged };
}

/** What a file can cause; a full disk or a statement of ours that does not bind is not its fault. */
export function isFileFault(thrown: unknown): boolean {
  if (!(thrown instanceof LakeError)) return false;
  const ours = ["binder", "parser", "catalog", "permission"];
  const isRead = ["sql", "unsupported", "corrupt"].includes(thrown.code);
  return isRead && !ours.includes(String(thrown.context.engine ?? "binder"));
}

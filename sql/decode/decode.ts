/** The decoding worker: foreign files become typed Parquet without bending or losing a value. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type {
  ClaimedFile,
  Decoded,
  DecodedFile,
  DecodeRequest,
  FileFault,
  Inspected,
  InspectRequest,
  ObservedColumn,
  StagedFile,
} from "../../core/engine.ts";
import { COLUMN_NAME_CHARS_MAX, COLUMNS_MAX } from "../../core/limits.ts";
import { filled, sameType } from "../../core/table/type-text.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { isLossless } from "../duckdb/types.ts";
import { MARK } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { type Misfits, NO_MISFITS, withFirst } from "./first-misfit.ts";
import { fillsOf, foldersOf, withFolders } from "./folders.ts";
import { readerOf } from "./formats.ts";
import { decodeGroup, type GroupContext, type GroupFile, type GroupReader } from "./group.ts";
import { constantPartition } from "./group-write.ts";
import { inspectFile, type Looked } from "./inspect.ts";
import type { OpenRows } from "./made/rows.ts";
import { prepare, withWorkFolder } from "./prepare.ts";
import type { Prepared } from "./prepared.ts";
import { Rejects } from "./rejects.ts";
import { sourceColumns, unknownNames } from "./target-columns.ts";
import { textEnd } from "./text-end.ts";
import { faultOf, Unreadable } from "./unreadable.ts";

/**
 * Says which columns of files hold which types. A type is named only where every value of the file is exactly one of
 * its values, or every one that was looked at.
 */
export async function inspect(context: WorkerContext, request: InspectRequest): Promise<Inspected> {
  return withWorkFolder(request.staging ?? null, async (folder) => {
    const db = await context.open({
      allowedPaths: request.files.map((file) => file.path),
      allowedFolders: [folder],
      threads: request.limits.threads,
    });
    const run = new InspectRun(context, request, db, folder);
    const found: Look[] = [];
    for (const index of request.files.keys()) found.push(await run.look(index, []));
    // A file is told by the names that others have: its header, whatever stands below, or its place in the table.
    const known = [...new Set(found.flatMap(({ header }) => header))];
    for (const [index, { file }] of found.entries()) {
      const isUnclear = file.dialect?.header === false;
      if (!isUnclear || known.length === 0) continue;
      const again = await run.look(index, known);
      if (again.file.dialect?.header === true) found[index] = again;
    }
    return { files: found.map(({ file }) => file) };
  });
}

interface Look {
  readonly file: Inspected["files"][number];
  /** Of a CSV; none without one. */
  readonly header: readonly string[];
}

class InspectRun {
  readonly #context: WorkerContext;
  readonly #request: InspectRequest;
  readonly #db: DuckDB;
  readonly #folder: string;

  constructor(context: WorkerContext, request: InspectRequest, db: DuckDB, folder: string) {
    this.#context = context;
    this.#request = request;
    this.#db = db;
    this.#folder = folder;
  }

  /** `known` are names that the columns of the table have in files. */
  async look(index: number, known: readonly string[]): Promise<Look> {
    const { read, sampled, limits } = this.#request;
    const file = must(this.#request.files[index], "an index of the request's files");
    this.#context.announce(file.name);
    try {
      const { decodedBytesMax } = limits;
      const options = { read, decodedBytesMax, folder: this.#folder, index, known };
      const prepared = await ready(await prepare(file, null, options));
      refuseTooMany(prepared.fieldCount);
      refuseNames(prepared.names);
      const looked = await inspectFile(this.#db, prepared, read, sampled);
      refuseTooMany(looked.columns.length);
      refuseNames(looked.columns.map((column) => column.name));
      const columns = withFolders(file.name, read, looked.columns);
      refuseNames(columns.map((column) => column.name));
      const { dialect } = prepared;
      const header = dialect.header === true ? (prepared.header ?? []) : [];
      return { file: { name: file.name, dialect, ...looked, columns, fault: null }, header };
    } catch (thrown) {
      const fault = named(fileFault(thrown), file);
      const none = { dialect: null, columns: [], guessed: false };
      return { file: { name: file.name, ...none, fault }, header: [] };
    }
  }
}

/**
 * Decodes files into Parquet under the request's schema. Every row of every file is landed, quarantined, or in a
 * file that is reported whole; a dropped row (a fix without text) is in neither count.
 */
export async function decode(context: WorkerContext, request: DecodeRequest): Promise<Decoded> {
  const db = await context.open({
    allowedPaths: request.files.map((file) => file.path),
    allowedFolders: [request.staging],
    threads: request.limits.threads,
  });
  const known = new Map<string, DecodedFile>();
  for (;;) {
    const rejects = new Rejects(request);
    try {
      const run = new DecodeRun(context, request, db, rejects, known);
      await run.prepareAll();
      await run.decodeAll();
      if (run.strays.length === 0) return await run.finish();
      // The others are written once more, without those that do not belong where they lie.
      for (const file of run.strays) known.set(file.name, file);
      run.discard();
    } finally {
      rejects.close();
    }
  }
}

/** Each column costs memory in every file and statement; an object with keys for values is no table. */
function refuseTooMany(columns: number): void {
  if (columns <= COLUMNS_MAX) return;
  throw new Unreadable("limit", `${columns} columns, ${COLUMNS_MAX} at most`);
}

/** A table with such a column could not be read any more. */
const KEPT_OUT = [
  { mark: "\0", what: "NUL characters" },
  { mark: MARK, what: "the control character U+001F" },
];

/** What no column can be called. The name itself may be too long, or too odd, to be shown. */
function nameFault(names: readonly string[]): FileFault | null {
  const strange = KEPT_OUT.find(({ mark }) => names.some((name) => name.includes(mark)));
  if (strange !== undefined) {
    const message = `a column's name holds ${strange.what}: is the file what its name says?`;
    return { reason: "unreadable", message };
  }
  const long = names.find((name) => name.length > COLUMN_NAME_CHARS_MAX);
  if (long === undefined) return null;
  const found = `a column's name has ${long.length} characters, ${COLUMN_NAME_CHARS_MAX} at most`;
  return { reason: "limit", message: `${found}: is the first row a header?` };
}

function refuseNames(names: readonly string[]): void {
  const fault = nameFault(names);
  if (fault !== null) throw new Unreadable(fault.reason, fault.message);
}

function reportFault(misfits: readonly ObservedColumn[]): FileFault | null {
  if (misfits.length === 0) {
    const message = "values do not fit, and no type of theirs is found";
    return { reason: "unreadable", message };
  }
  if (misfits.length > COLUMNS_MAX) {
    const message = `${counted(misfits.length, "new column")}, ${COLUMNS_MAX} at most`;
    return { reason: "limit", message };
  }
  return nameFault(misfits.map((column) => column.name));
}

/** A drop is known by its name, not by where its copy lies. */
function named(fault: FileFault | null, file: ClaimedFile): FileFault | null {
  if (fault === null) return null;
  return { ...fault, message: fault.message.replaceAll(file.path, file.name) };
}

/** What a file did; throws on what is not a file's fault. */
function fileFault(thrown: unknown): FileFault {
  const isFile =
    thrown instanceof Unreadable ||
    (thrown instanceof LakeError &&
      ["sql", "schema", "unsupported", "input", "corrupt"].includes(thrown.code));
  if (!isFile) throw thrown;
  return faultOf(thrown);
}

/** What became of the files of a group. */
interface DecodedGroup {
  readonly files: readonly GroupFile[];
  readonly staged: readonly StagedFile[];
}

class DecodeRun {
  /** Files that contradict their folders; where there are any, nothing that was written counts. */
  readonly strays: DecodedFile[] = [];
  #context: WorkerContext;
  #request: DecodeRequest;
  #db: DuckDB;
  #rejects: Rejects;
  #prepared: Prepared[] = [];
  #results: Map<string, DecodedFile>;
  #staged: StagedFile[] = [];
  #outputs = 0;

  constructor(
    context: WorkerContext,
    request: DecodeRequest,
    db: DuckDB,
    rejects: Rejects,
    known: ReadonlyMap<string, DecodedFile>,
  ) {
    this.#context = context;
    this.#request = request;
    this.#db = db;
    this.#rejects = rejects;
    this.#results = new Map(known);
  }

  async prepareAll(): Promise<void> {
    const { files, dialects, read, limits, staging } = this.#request;
    for (const [index, file] of files.entries()) {
      if (this.#results.has(file.name)) continue;
      this.#context.announce(file.name);
      const { decodedBytesMax } = limits;
      const known = this.#request.columns.map((column) => column.source);
      const options = { read, decodedBytesMax, folder: staging, index, known };
      try {
        const prepared = await ready(await prepare(file, dialects[index] ?? null, options));
        refuseTooMany(prepared.fieldCount);
        refuseNames(prepared.names);
        const looked = await this.#newColumns(prepared);
        const { isCounted } = await readerOf(prepared.dialect.format);
        if (looked.length > 0) await this.#report(prepared, looked, NO_MISFITS);
        else if (isCounted && prepared.lines === 0) await this.#record(prepared, NO_ROWS);
        else this.#prepared.push(prepared);
      } catch (thrown) {
        const fault = fileFault(thrown);
        this.#results.set(file.name, { name: file.name, dialect: null, ...NO_ROWS, fault });
      }
    }
  }

  async decodeAll(): Promise<void> {
    const context = await this.#groupContext();
    for (const group of await groupsOf(this.#request, this.#prepared)) {
      const first = must(group[0], "a group has files");
      this.#context.announce(first.file.name);
      const request = ofItsBatch(withoutFilled(this.#request, first.file), first.file);
      const reader = await this.#readerOf(request, first, group);
      if (reader === undefined) continue;
      const own = await this.#ofBatch(context, first.file, request);
      const { files, staged } = await this.#decodeGroup(own, group, reader);
      this.#staged.push(...staged);
      if (this.#request.read.folders) await this.#checkFolders(files, staged);
      for (const file of files) await this.#take(file);
    }
  }

  /** Files of one group are of one batch. */
  async #ofBatch(context: GroupContext, { landsAs }: ClaimedFile, request: DecodeRequest) {
    if (landsAs === undefined) return { ...context, request };
    return { ...context, request, constant: await constantPartition(this.#db, request) };
  }

  /** Folders that it lies in are values of its columns. */
  #isFilled(name: string): boolean {
    return fillsOf(this.#request, name).length > 0;
  }

  async #checkFolders(files: readonly GroupFile[], staged: readonly StagedFile[]): Promise<void> {
    const landed = files
      .filter(({ rowsLanded, prepared: { file } }) => rowsLanded > 0 && this.#isFilled(file.name))
      .map(({ prepared }) => prepared);
    if (landed.length === 0) return;
    const { checkFolders } = await import("./folder-check.ts");
    const verdicts = await checkFolders(this.#db, this.#request, landed, staged);
    for (const { file, dialect } of landed) {
      const verdict = verdicts.get(file.name);
      if (verdict === undefined) continue;
      const result = { name: file.name, dialect, ...NO_ROWS };
      if (verdict.kind === "fault") this.strays.push({ ...result, fault: verdict.fault });
      else {
        const said = withFolders(file.name, this.#request.read, []);
        const misfits = said.filter(({ name }) => verdict.names.includes(name));
        this.strays.push({ ...result, misfits });
      }
    }
  }

  /** Takes back what was written. */
  discard(): void {
    for (const { path } of this.#staged) rmSync(path, { force: true });
  }

  /** By the engine, or row by row where it does not read the format, refuses a file or would bend a value of it. */
  async #decodeGroup(
    context: GroupContext,
    group: readonly Prepared[],
    reader: GroupReader | null,
  ): Promise<DecodedGroup> {
    const { byRow } = await readerOf(must(group[0], "a group has files").dialect.format);
    const open = (await byRow?.(context.request)) ?? null;
    if (reader === null) return decodeRowByRow(context, must(open, "one of the two"), group);
    const byEngine = await decodeGroup(context, reader, group);
    const isRefused = byEngine.files.some(({ fault }) => fault?.reason === "unreadable");
    if (open === null || !isRefused) return byEngine;
    const rowByRow = await decodeRowByRow(context, open, group);
    return rowByRow.files.some(({ fault }) => fault !== null) ? byEngine : rowByRow;
  }

  /** Null: read row by row; undefined when files of this shape cannot fill the table's columns: they are set aside. */
  async #readerOf(
    request: DecodeRequest,
    first: Prepared,
    group: readonly Prepared[],
  ): Promise<GroupReader | null | undefined> {
    try {
      return await this.#reader(request, first);
    } catch (thrown) {
      const fault = fileFault(thrown);
      for (const { file, dialect } of group) {
        this.#results.set(file.name, { name: file.name, dialect, ...NO_ROWS, fault });
      }
      return undefined;
    }
  }

  async finish(): Promise<Decoded> {
    const isTold = this.#request.tellRejects === true;
    const told = this.#rejects.positionsByFile();
    const files = this.#request.files.flatMap((file) => {
      const found = this.#results.get(file.name);
      if (found === undefined) return [];
      const rejected = isTold ? { rejected: told.get(file.name) ?? [] } : {};
      return [{ ...found, fault: named(found.fault, file), ...rejected }];
    });
    const rejects = await this.#rejects.write(this.#db);
    this.#checkBalance(files, rejects?.rows ?? 0n);
    for (const name of this.#workFiles())
      rmSync(join(this.#request.staging, name), { force: true });
    const rows = this.#staged.reduce((sum, file) => sum + file.rows, 0n);
    const data = { files: this.#staged, rows };
    const decoded = { files, data, rejects, examples: this.#rejects.examples };
    if (this.#request.countsValues !== true) return decoded;
    const { columnValues } = await import("./column-values.ts");
    return { ...decoded, values: await columnValues(this.#db, this.#request, this.#staged) };
  }

  /** Null for files that the engine does not read. */
  async #reader(request: DecodeRequest, first: Prepared): Promise<GroupReader | null> {
    const { byEngine } = await readerOf(first.dialect.format);
    const work = { db: this.#db, request, rejects: this.#rejects };
    return (await byEngine?.(work, first)) ?? null;
  }

  async #groupContext(): Promise<GroupContext> {
    return {
      db: this.#db,
      request: this.#request,
      rejects: this.#rejects,
      constant: await constantPartition(this.#db, this.#request),
      announce: (name) => this.#context.announce(name),
      nextName: () => `data-${this.#outputs++}`,
    };
  }

  /**
   * Columns that nobody knows, with what they hold, and those that such a file is known to widen. A format that says
   * its types itself gives them to places that await one, whatever stands there.
   */
  async #newColumns(prepared: Prepared): Promise<readonly ObservedColumn[]> {
    const names = prepared.header ?? prepared.names;
    const { onUnknown, onFirst } = this.#request;
    const columns = sourceColumns(this.#request);
    const { isStranger, isTyped } = await readerOf(prepared.dialect.format);
    if (isStranger?.(this.#request, prepared) === true) return [];
    const fault = nameFault(names) ?? (await this.#strangerFault(names));
    if (fault !== null) throw new Unreadable(fault.reason, fault.message);
    const said = foldersOf(prepared.file.name, this.#request.read).map(({ name }) => name);
    const all = [...names, ...said];
    const unknown = new Set(onUnknown === "report" ? unknownNames(all, columns) : []);
    if (this.#isFilled(prepared.file.name)) {
      const { refuseUnfit, unfitFolders } = await import("./folder-check.ts");
      const unfit = unfitFolders(this.#request, prepared);
      refuseUnfit(this.#request, unfit);
      for (const { folder } of unfit) unknown.add(folder.name);
    }
    const isLearning = isTyped && onFirst === "report";
    const isAwaited = isLearning && columns.some(({ decode }) => decode.awaits !== undefined);
    if (unknown.size === 0 && !isAwaited) return [];
    const looked = await this.#look(prepared);
    return looked.columns.filter((column) => unknown.has(column.name) || this.#isTooNarrow(column));
  }

  async #take(file: GroupFile): Promise<void> {
    if (file.misfits.size === 0) {
      await this.#record(file.prepared, file);
      return;
    }
    const looked = await this.#look(file.prepared);
    const { file: claimed, dialect } = file.prepared;
    const folders = new Set(foldersOf(claimed.name, this.#request.read).map(({ name }) => name));
    const names = looked.columns.map(({ name }) => name).filter((name) => !folders.has(name));
    const fault = nameFault(names) ?? (await this.#strangerFault(names));
    if (fault !== null) {
      this.#results.set(claimed.name, {
        name: claimed.name,
        dialect,
        ...NO_ROWS,
        misfits: [],
        fault,
      });
      return;
    }
    const found = new Map([...file.misfits].map(([name, first]) => [name.toLowerCase(), first]));
    const columns = looked.columns.filter((column) => found.has(column.name.toLowerCase()));
    await this.#report(file.prepared, columns, found);
  }

  async #strangerFault(names: readonly string[]): Promise<FileFault | null> {
    const isHeld = this.#request.holdsStrangers === true;
    const columns = isHeld ? sourceColumns(this.#request) : [];
    if (!isHeld || unknownNames(names, columns).length < names.length) return null;
    const { strangerFault } = await import("./stranger.ts");
    return strangerFault(this.#request, names);
  }

  async #look(prepared: Prepared): Promise<Looked> {
    const { read } = this.#request;
    this.#context.announce(prepared.file.name);
    const looked = await inspectFile(this.#db, prepared, read, false);
    return { ...looked, columns: withFolders(prepared.file.name, read, looked.columns) };
  }

  #isTooNarrow(column: ObservedColumn): boolean {
    const known = sourceColumns(this.#request).find(
      ({ decode }) => decode.source.toLowerCase() === column.name.toLowerCase(),
    );
    if (known === undefined || column.unseen) return false;
    const { awaits } = known.decode;
    if (awaits !== undefined && !sameType(filled(awaits, column.type), awaits)) return true;
    if (this.#request.onMisfit !== "report") return false;
    const { type } = known.field;
    if (type.kind === "primitive" && type.name === "string") return false;
    return !isLossless(column.type, type);
  }

  async #report(
    prepared: Prepared,
    misfits: readonly ObservedColumn[],
    found: Misfits,
  ): Promise<void> {
    const { file, dialect } = prepared;
    // A report without a column would be a file without rows, and they would be gone.
    const fault = reportFault(misfits);
    const { firstMisfits } = await readerOf(prepared.dialect.format);
    const look = (columns: readonly ObservedColumn[]): Misfits =>
      firstMisfits?.(this.#request, prepared, columns) ?? NO_MISFITS;
    const reported = fault === null ? withFirst(this.#request, misfits, found, look) : [];
    const result = { name: file.name, dialect, ...NO_ROWS, misfits: reported, fault };
    this.#results.set(file.name, result);
  }

  async #record(
    prepared: Prepared,
    counts: Omit<DecodedFile, "name" | "dialect" | "misfits">,
  ): Promise<void> {
    const { rowsIn, rowsLanded, rowsQuarantined, fault } = counts;
    const { file, dialect } = prepared;
    const unread = counts.unread ?? prepared.remark ?? undefined;
    const rejected = this.#rejects.linesOf(file.name);
    const isUnparsed = this.#rejects.isUnparsed(file.name);
    const reader = await readerOf(dialect.format);
    const end = fault === null ? textEnd(prepared, reader, rowsIn, rejected, isUnparsed) : null;
    this.#results.set(file.name, {
      name: file.name,
      dialect,
      rowsIn,
      rowsLanded,
      rowsQuarantined,
      ...(unread === undefined ? {} : { unread }),
      fault,
      misfits: [],
      end,
    });
  }

  /** Nothing vanishes: what the files are said to hold is what was written. */
  #checkBalance(files: readonly DecodedFile[], rejected: bigint): void {
    const landed = this.#staged.reduce((sum, file) => sum + file.rows, 0n);
    const sums = files.reduce(
      (sum, file) => ({
        landed: sum.landed + BigInt(file.rowsLanded),
        rejected: sum.rejected + BigInt(file.rowsQuarantined),
        balanced: sum.balanced && file.rowsIn === file.rowsLanded + file.rowsQuarantined,
      }),
      { landed: 0n, rejected: 0n, balanced: true },
    );
    if (sums.balanced && sums.landed === landed && sums.rejected === rejected) return;
    throw new LakeError("internal", "the rows of a batch do not add up", {
      hint: "report this with the files; nothing was landed",
      context: { landed, counted: sums.landed, rejected, quarantined: sums.rejected },
    });
  }

  #workFiles(): string[] {
    return [...new Bun.Glob("work-*").scanSync({ cwd: this.#request.staging, onlyFiles: true })];
  }
}

const NO_ROWS = {
  rowsIn: 0,
  rowsLanded: 0,
  rowsQuarantined: 0,
  fault: null,
  misfits: [],
} as const;

/** Files that one statement can read, in the order of the request. */
async function groupsOf(
  request: DecodeRequest,
  prepared: readonly Prepared[],
): Promise<Prepared[][]> {
  const groups = new Map<string, Prepared[]>();
  for (const file of prepared) {
    // A tail stands alone: its row numbers have a base of their own.
    const alone = file.rowsBefore === 0 ? "" : ` after ${file.rowsBefore} of ${file.file.name}`;
    const { groupKey } = await readerOf(file.dialect.format);
    const filled = filledBy(request, file.file).join("\0");
    const batch = file.file.landsAs?.batch ?? "";
    const key = `${file.dialect.format} ${groupKey(file)}${alone}\0${filled}\0${batch}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [file]);
    else group.push(file);
  }
  return [...groups.values()];
}

/** Required columns that folders of a file fill. */
function filledBy(request: DecodeRequest, { name }: ClaimedFile): string[] {
  return fillsOf(request, name).flatMap(({ folder, column: { decode } }) =>
    decode.required && folder.text !== null ? [decode.name] : [],
  );
}

/** Whoever reads the rows of a file need not find in them what its folders say. */
function withoutFilled(request: DecodeRequest, file: ClaimedFile): DecodeRequest {
  const filled = filledBy(request, file);
  if (filled.length === 0) return request;
  const columns = request.columns.map((column) =>
    filled.includes(column.name) ? { ...column, required: false } : column,
  );
  return { ...request, columns };
}

/** As if its batch were the only one that is asked for. */
function ofItsBatch(request: DecodeRequest, { landsAs }: ClaimedFile): DecodeRequest {
  return landsAs === undefined ? request : { ...request, ...landsAs };
}

/** Formats that say themselves what they hold. */
async function ready(prepared: Prepared): Promise<Prepared> {
  const { prepareBytes } = await readerOf(prepared.dialect.format);
  return prepareBytes?.(prepared) ?? prepared;
}

/** Loaded by what needs it alone: a worker starts for every file. */
async function decodeRowByRow(
  context: GroupContext,
  open: OpenRows,
  group: readonly Prepared[],
): Promise<DecodedGroup> {
  const { decodeRows } = await import("./made/rows.ts");
  return decodeRows(context, open, group);
}

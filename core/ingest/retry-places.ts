/** Retries of single rows: their files are read as they landed, together, with what came since. */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { RejectExample } from "../engine.ts";
import { BATCH_BYTES_MAX, BATCH_FILES_MAX } from "../limits.ts";
import type { Contract, SourceConfig } from "./contract.ts";
import { currentContract } from "./current-contract.ts";
import type { DecodedGroup } from "./decode-group.ts";
import type { Fix, LedgerFile } from "./ledger.ts";
import { accountOf, rowsOf } from "./originals.ts";
import {
  type RedecodeJob,
  recordedContract,
  recordedSource,
  redecode,
  widenedContract,
  withTableTypes,
} from "./redecode.ts";
import {
  type NotRetried,
  placeOf,
  type RetriedFile,
  type RetriedPart,
  type RetryItem,
  type RetryOptions,
  type RowsOfFile,
} from "./retry-item.ts";
import { readTexts, type TextOf } from "./row-text.ts";

/** Each part is of files that landed under one contract; all others of their rows are read as they landed. */
export async function retryPlaces(
  job: RedecodeJob,
  all: readonly RowsOfFile[],
  options: RetryOptions,
): Promise<RetriedPart[]> {
  const same = ({ file }: RowsOfFile): string =>
    JSON.stringify([file.contractVersion, file.reading?.columns ?? null]);
  const parts: RetriedPart[] = [];
  for (const alike of Map.groupBy(all, same).values()) {
    for (const part of readTogether(alike)) parts.push(await retryPart(job, part, options));
  }
  return parts;
}

/** What stands for the row of an item; none where it is read as it is. */
export function fixOf(
  { name: source, into: table }: SourceConfig,
  file: LedgerFile,
  { id, position }: RetryItem,
  text: string | null,
): Fix[] {
  if (text === null) return [];
  const place = { sha256: file.sha256, position, of: rowsOf(file) };
  return [{ id, source, table, action: "replace", raw: text, place, createdMs: 0, batch: null }];
}

/** Files that one request may read: as many as a batch of a landing has, and no name twice. */
function readTogether(all: readonly RowsOfFile[]): RowsOfFile[][] {
  const parts: { readonly rows: RowsOfFile[]; readonly names: Set<string>; bytes: number }[] = [];
  for (const one of all) {
    const { file: name, sizeBytes } = one.file;
    const hasRoom = parts.find(
      ({ rows, names, bytes }) =>
        rows.length < BATCH_FILES_MAX && bytes + sizeBytes <= BATCH_BYTES_MAX && !names.has(name),
    );
    const part = hasRoom ?? { rows: [], names: new Set<string>(), bytes: 0 };
    if (hasRoom === undefined) parts.push(part);
    part.rows.push(one);
    part.names.add(name);
    part.bytes += sizeBytes;
  }
  return parts.map(({ rows }) => rows);
}

/** How the files of a part are read. */
interface Reading {
  readonly recorded: Contract | null;
  readonly contract: Contract | null;
  /** Corrections of before. */
  readonly kept: readonly Fix[];
}

/** The rows of a file with the texts to read in their places. */
interface Asked {
  readonly file: LedgerFile;
  readonly items: readonly RetryItem[];
  readonly unread: readonly NotRetried[];
}

async function retryPart(
  job: RedecodeJob,
  part: readonly RowsOfFile[],
  options: RetryOptions,
): Promise<RetriedPart> {
  const how = await readingOf(job, part);
  const source = recordedSource(job.config, how.contract);
  const { contract } = how;
  const textOf = await readTexts(job, part, source, { set: options.set, contract });
  const all = part.map(({ file, items }) => askedOf(file, items, textOf));
  const asked = all.filter(({ items }) => items.length > 0);
  const group = asked.length === 0 ? null : await redecodeWith(job, how, asked);
  const files = all.map((one) => retriedFile(job.config, how, one, group));
  const good = files.filter(({ landed }) => landed.length > 0);
  if (options.set === null) settle(asked, group, options.settled);
  const still = group === null ? [] : stillAside(asked, group);
  if (group === null || good.length === 0) {
    return { ...NOTHING, files, target: job.quarantine, staged: [], still };
  }
  const names = new Set(good.map(({ before }) => before.file));
  const again = asked.filter(({ file }) => names.has(file.file));
  // Files of which nothing lands stay as they are: they are not written again.
  const landing = again.length < asked.length ? await redecodeWith(job, how, again) : group;
  return {
    ...NOTHING,
    files: await withBesides(job, how, files, group),
    target: landing.target ?? job.quarantine,
    staged: landing.outputs.flatMap((output) => output.data.files),
    still,
  };
}

/** Those of the first rows that do not fit that were asked for. */
function stillAside(asked: readonly Asked[], { outputs }: DecodedGroup): RejectExample[] {
  const places = new Set(
    asked.flatMap(({ file, items }) => items.map(({ position }) => `${file.file}\n${position}`)),
  );
  const examples = outputs.flatMap((output) => output.examples);
  return examples.filter(({ file, position }) => places.has(`${file}\n${position}`));
}

/** Read as it is, such a file comes to what it came to before, whichever of its rows is meant. */
function settle(
  asked: readonly Asked[],
  group: DecodedGroup | null,
  settled: Set<string> | undefined,
): void {
  if (group === null || settled === undefined) return;
  const landedByName = new Map(group.files.map(({ name, rowsLanded }) => [name, rowsLanded]));
  for (const { file, items } of asked) {
    const isAsItIs = items.every(({ text }) => text === null);
    if (isAsItIs && landedByName.get(file.file) === file.rowsLanded) settled.add(placeOf(file));
  }
}

const NOTHING = { rejects: [], isWhole: true, contract: null } as const;

async function readingOf(job: RedecodeJob, part: readonly RowsOfFile[]): Promise<Reading> {
  const { catalog } = job.ports;
  const { name } = job.config;
  const [first] = part;
  const recorded = first === undefined ? null : await recordedContract(job, first.file);
  const wide = widenedContract(recorded, await currentContract(catalog, job.config));
  const contract = wide === null ? null : withTableTypes(wide, job.table);
  const batches = part.map(({ file }) => file.landsAs);
  return { recorded, contract, kept: await catalog.ledger.fixes(name, batches) };
}

function askedOf(file: LedgerFile, items: readonly RetryItem[], textOf: TextOf): Asked {
  const given: RetryItem[] = [];
  const unread: NotRetried[] = [];
  for (const item of items) {
    const found = textOf(file, item);
    if ("why" in found) unread.push({ id: item.id, why: found.why });
    else given.push({ ...item, text: found.text });
  }
  return { file, items: given, unread };
}

async function redecodeWith(
  job: RedecodeJob,
  { contract, kept }: Reading,
  asked: readonly Asked[],
): Promise<DecodedGroup> {
  const { config } = job;
  const own = asked.flatMap(({ file, items }) =>
    items.flatMap((item) => fixOf(config, file, item, item.text)),
  );
  return await redecode(job, {
    files: asked.map(({ file }) => file),
    contract,
    source: recordedSource(config, contract),
    fixes: [...kept, ...own],
    asRecorded: true,
  });
}

function retriedFile(
  config: SourceConfig,
  { recorded, contract }: Reading,
  { file, items, unread }: Asked,
  group: DecodedGroup | null,
): RetriedFile {
  const decoded = group?.files.find(({ name }) => name === file.file);
  if (group === null || decoded === undefined || decoded.fault !== null) {
    const failed = [...unread, ...items.map(({ id }) => ({ id, why: null }))];
    return { before: file, after: file, landed: [], failed, besides: [] };
  }
  const rejected = new Set(decoded.rejected ?? []);
  const landed = items.filter(({ position }) => !rejected.has(position));
  const still = items.filter(({ position }) => rejected.has(position));
  const account = accountOf(file, group);
  const lost = file.rowsLanded + landed.length - account.rowsLanded;
  if (lost > 0 && landed.length > 0) throw losesRows(config, file, lost);
  const columns = contract?.columns ?? null;
  const isSame = JSON.stringify(columns) === JSON.stringify(recorded?.columns ?? null);
  const own = isSame ? (file.reading?.columns ?? null) : columns;
  const reading = { ...account.reading, dialect: decoded.dialect, columns: own };
  return {
    before: file,
    after: { ...account, reading },
    landed,
    failed: [...unread, ...still.map(({ id }) => ({ id, why: null }))],
    besides: [],
  };
}

/** Rows that were set aside when their files landed, and are not now, though nobody asked for them. */
async function withBesides(
  job: RedecodeJob,
  { recorded, kept }: Reading,
  files: readonly RetriedFile[],
  group: DecodedGroup,
): Promise<RetriedFile[]> {
  const hasMore = ({ before, after, landed }: RetriedFile): boolean =>
    landed.length > 0 && after.rowsLanded > before.rowsLanded + landed.length;
  const more = files.filter(hasMore).map(({ before }) => before);
  if (more.length === 0) return [...files];
  const source = recordedSource(job.config, recorded);
  const how = { contract: recorded, source, fixes: kept, asRecorded: true };
  const then = rejectedByName(await redecode(job, { files: more, ...how }));
  const now = rejectedByName(group);
  return files.map((one) => {
    const { file } = one.before;
    const asked = new Set(one.landed.map(({ position }) => position));
    const open = now.get(file) ?? new Set();
    const besides = [...(hasMore(one) ? (then.get(file) ?? []) : [])].filter(
      (position) => !open.has(position) && !asked.has(position),
    );
    return { ...one, besides };
  });
}

function rejectedByName({ files }: DecodedGroup): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(files.map(({ name, rejected }) => [name, new Set(rejected)]));
}

function losesRows(config: SourceConfig, file: LedgerFile, rows: number): LakeError {
  return new LakeError(
    "schema",
    `${counted(rows, "row")} of ${file.file} that landed would not land any more`,
    {
      hint: `nothing was changed; to read all files as tarn.yaml says now: tarn reread ${config.name}`,
      context: { file: file.file, source: config.name },
    },
  );
}

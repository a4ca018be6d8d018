/** Files that landed, decoded again from their kept originals: as the rows of the batch that they landed in. */

import { LakeError } from "../base/errors.ts";
import type { ClaimedFile, DecodedFile } from "../engine.ts";
import type { FileIO } from "../ports.ts";
import { sameType } from "../table/type-text.ts";
import type { Table } from "../table/types.ts";
import { batchTimeMs } from "./batch-id.ts";
import type { LandingTable } from "./bronze-table.ts";
import type { Contract, ContractColumn, SourceConfig } from "./contract.ts";
import { type DecodedGroup, decodeGroup } from "./decode-group.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { Fix, LedgerFile } from "./ledger.ts";
import type { Learning } from "./misfits.ts";

const READ_BYTES = 4 * 1024 * 1024;
const NEWLINE = 10;

export interface RedecodeJob {
  readonly ports: LandingPorts;
  readonly config: SourceConfig;
  readonly budget: EngineBudget;
  readonly table: Table | null;
  readonly quarantine: LandingTable;
}

/** Files that are decoded together, and how. */
export interface RedecodePart {
  /** Each with an original, and with a name that no other of them has. */
  readonly files: readonly LedgerFile[];
  readonly contract: Contract | null;
  readonly source: SourceConfig;
  readonly fixes: readonly Fix[];
  /** Files are read as they were then, without a look at how they are written, and teach nothing. */
  readonly asRecorded: boolean;
  /** Files teach nothing, however they are read. */
  readonly isSettled?: boolean;
  /** Where they teach as if nothing had landed. */
  readonly learning?: Learning;
}

/** Throws `corrupt` when an original is gone. */
export async function redecode(job: RedecodeJob, part: RedecodePart): Promise<DecodedGroup> {
  const { ports, table, quarantine, budget } = job;
  const files: ClaimedFile[] = [];
  const dialects = new Map<string, NonNullable<DecodedFile["dialect"]>>();
  for (const file of part.files) {
    const { landsAs: batch } = file;
    const landsAs = { batch, ingestedAtMs: batchTimeMs(batch) };
    files.push({ ...(await original(ports.io, file)), landsAs });
    const dialect = file.reading?.dialect ?? null;
    if (part.asRecorded && dialect !== null) dialects.set(file.file, dialect);
  }
  const batch = part.files[0]?.landsAs ?? "";
  return decodeGroup(ports, {
    batch,
    ingestedAtMs: batchTimeMs(batch),
    source: part.source,
    contract: part.contract,
    table,
    quarantine,
    files,
    fixes: part.fixes,
    dialects,
    ...(part.asRecorded || part.isSettled === true ? { learns: "nothing" } : {}),
    ...(part.learning === undefined ? {} : { learning: part.learning }),
    tellRejects: true,
    folder: `${batch}-${ports.random.uuid()}`,
    ...budget,
  });
}

/** A file whose bytes are kept: it can be read again. */
export function hasOriginal(file: LedgerFile): boolean {
  return file.original !== null && file.sha256 !== "";
}

/** The contract that a file landed under, with the types that the table has by now: it holds no narrower ones. */
export async function recordedContract(
  job: Pick<RedecodeJob, "ports" | "config" | "table">,
  file: LedgerFile,
): Promise<Contract | null> {
  const { ledger } = job.ports.catalog;
  const version = file.contractVersion;
  const stored =
    version === null
      ? await ledger.contract(job.config.name)
      : await ledger.contract(job.config.name, version);
  if (stored === null) return null;
  const columns = file.reading?.columns ?? stored.columns;
  return withTableTypes({ ...stored, columns }, job.table);
}

/** The source as the contract of a file says to read it; nothing more is learned from what landed. */
export function recordedSource(config: SourceConfig, contract: Contract | null) {
  const schema = config.schema === "ignore" ? "ignore" : "quarantine";
  return { ...config, schema, read: contract?.read ?? config.read } as const;
}

/** Columns as the table has them, where it has them. */
export function withTableTypes(contract: Contract, table: Table | null): Contract {
  const fields = new Map(table?.schema.fields.map((field) => [field.name, field.type]));
  const columns = contract.columns.map((column): ContractColumn => {
    const type = fields.get(column.name);
    if (type === undefined || sameType(type, column.type)) return column;
    return { ...column, type, unseen: false };
  });
  return { ...contract, columns };
}

/**
 * The contract that a file is retried under: what it landed with, and what came since. Nothing that landed may need a
 * column that is declared no longer, or miss one that is required only now.
 */
export function widenedContract(recorded: Contract | null, now: Contract | null): Contract | null {
  if (recorded === null || now === null) return recorded ?? now;
  const recordedByName = new Map(recorded.columns.map((column) => [column.name, column]));
  const names = new Set(now.columns.map((column) => column.name));
  const columns = now.columns.map((column) => {
    const required = column.required && recordedByName.get(column.name)?.required === true;
    return { ...column, required };
  });
  const others = recorded.columns.filter((column) => !names.has(column.name));
  return { ...recorded, columns: [...columns, ...others] };
}

/** The kept copy of a file. Throws `corrupt` when it is gone. */
export async function original(io: FileIO, file: LedgerFile): Promise<ClaimedFile> {
  const path = file.original ?? "";
  const toByte = file.reading?.toByte ?? null;
  const stat = await io.stat(path);
  if (stat === null || stat.sizeBytes !== file.sizeBytes) {
    throw new LakeError("corrupt", `the original of ${file.file} is gone or cut short`, {
      hint: "nothing was changed; bronze can still be replayed without --from-originals",
      context: { original: path, sha256: file.sha256 },
    });
  }
  return {
    name: file.file,
    path: `${io.root}/${path}`,
    sha256: file.sha256,
    sizeBytes: file.sizeBytes,
    fromByte: file.fromByte,
    ...(toByte === null ? {} : { toByte }),
    newlines: await newlinesFrom(io, path, file),
  };
}

/** Line ends of what is decoded: the decoder holds its rows against this count. */
async function newlinesFrom(io: FileIO, path: string, file: LedgerFile): Promise<number> {
  let count = 0;
  for (let start = file.fromByte; start < file.sizeBytes; start += READ_BYTES) {
    const length = Math.min(READ_BYTES, file.sizeBytes - start);
    const bytes = await io.readRange(path, start, length);
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  }
  return count;
}

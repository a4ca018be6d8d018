/**
 * Bronze from its originals: every file whose rows are in the table decoded again under the contract that landed it,
 * with all corrections applied, published in one commit. Bronze is a function of (originals, contract versions, fixes).
 */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { StagedFile, TextEnd } from "../engine.ts";
import { publish } from "../table/publish.ts";
import type { Table } from "../table/types.ts";
import { wholeFileRows } from "./accounts.ts";
import { batchTimeMs } from "./batch-id.ts";
import { quarantineTarget } from "./bronze-table.ts";
import { keepsOriginals, type SourceConfig } from "./contract.ts";
import type { DecodedGroup } from "./decode-group.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { FileRef, LedgerFile } from "./ledger.ts";
import { quarantineTable } from "./quarantine.ts";
import {
  hasOriginal,
  type RedecodeJob,
  recordedContract,
  recordedSource,
  redecode,
  widenedContract,
} from "./redecode.ts";
import { asTarget, nextStandIn, republish } from "./republish.ts";

export interface OriginalsReplayed {
  /** Null for a dry run. */
  readonly commit: bigint | null;
  readonly batches: number;
  readonly files: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
}

/** What the originals of a source come to, named by no snapshot yet. */
export interface Redecoded {
  readonly data: readonly StagedFile[];
  readonly rejects: readonly StagedFile[];
  /** What each file comes to now, beside what the ledger says of it. */
  readonly files: readonly { readonly before: LedgerFile; readonly after: LedgerFile }[];
  readonly batches: number;
}

/**
 * Replays a source from its originals. What no original is kept of stays as it is: rows that came through another
 * source, or that another engine appended. Throws `unsupported` when the source keeps no originals (`before_landing`),
 * `corrupt` when one is gone, `conflict` when a foreign writer keeps winning. A dry run publishes nothing.
 */
export async function replayOriginals(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  options: { readonly dryRun: boolean; readonly why: string },
): Promise<OriginalsReplayed> {
  refuseRedacted(config);
  const attempt = () => replayOnce(ports, config, budget, options);
  return await publish({ what: config.into, hint: NOTHING_CHANGED, attempt });
}

/** Said of work that another writer was faster than. */
export const NOTHING_CHANGED = "nothing was changed; run it again when the other writer is done";

async function replayOnce(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  options: { readonly dryRun: boolean; readonly why: string },
): Promise<OriginalsReplayed | null> {
  const job = await redecodeJob(ports, config, budget);
  const table = requireTable(job);
  const live = await ports.catalog.ledger.files({ source: config.name, live: true });
  const retried = oldRetries(live);
  const made = await redecodeRecorded(job, live.filter(hasOriginal), retried);
  const counts = countsOf(made);
  if (options.dryRun) return { commit: null, ...counts };
  const changed = made.files.filter(({ before, after }) => isOther(before, after));
  const again = new Set(made.files.map(({ before }) => before.file));
  const taken = [...retried].flatMap(([file, retries]) => (again.has(file) ? retries : []));
  const standIn = await nextStandIn(ports, config.name);
  const leaving = [
    ...made.files.map(({ before }) => rowsOf(before)),
    ...taken.map(({ landsAs, file }) => ({ batch: landsAs, file: dropOf(file) })),
  ];
  const commit = await republish(ports, budget, {
    config,
    kind: "replay",
    message: `${options.why}: ${counted(counts.files, "original")} of ${config.name}`,
    summary: { "tarn.replay": "originals" },
    bronze: { target: asTarget(table), leaving, staged: made.data },
    aside: { target: job.quarantine, leaving, staged: made.rejects },
    standIn,
    files: changed.map(({ after }) => ({ ...after, batch: standIn.batch })),
    replaces: [...changed.map(({ before }) => before), ...taken],
    contract: null,
    fixes: [],
    events: [],
  });
  return commit === null ? null : { commit, ...counts };
}

/** Throws `unsupported` for a source that keeps nothing to read again. */
export function refuseRedacted(config: SourceConfig): void {
  if (keepsOriginals(config)) return;
  const columns = Object.keys(config.beforeLanding);
  const whose = columns.length === 0 ? "that of a table beside it" : `(${columns.join(", ")})`;
  throw new LakeError("unsupported", `${config.name} keeps no originals`, {
    hint: `its before_landing ${whose} takes values out before anything is kept`,
  });
}

/** The tables as they are now. */
export async function redecodeJob(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
): Promise<RedecodeJob> {
  const name = quarantineTable(config.into);
  const quarantine = quarantineTarget(name, await ports.catalog.load(name), ports.random);
  return { ports, config, budget, table: await ports.catalog.load(config.into), quarantine };
}

export function requireTable({ table, config }: RedecodeJob): Table {
  if (table !== null) return table;
  throw new LakeError("not-found", `${config.into} has no rows yet`, { hint: "tarn build" });
}

/** Where the rows of a file are in its tables. */
export function rowsOf({ landsAs, file }: LedgerFile): FileRef {
  return { batch: landsAs, file };
}

export function countsOf(made: Redecoded): Omit<OriginalsReplayed, "commit"> {
  const sum = (pick: (file: LedgerFile) => number): number =>
    made.files.reduce((total, { after }) => total + pick(after), 0);
  return {
    batches: made.batches,
    files: made.files.length,
    rowsLanded: sum((file) => file.rowsLanded),
    rowsQuarantined: sum((file) => (file.outcome === "landed" ? file.rowsQuarantined : 0)),
  };
}

/**
 * Retries of older lakes, by the drop whose rows they took: they landed text in a batch of its own, under another name
 * in the ledger, and are repeated by reading the drop under what came since.
 */
function oldRetries(live: readonly LedgerFile[]): ReadonlyMap<string, readonly LedgerFile[]> {
  return Map.groupBy(
    live.filter(({ file }) => dropOf(file) !== file),
    ({ file }) => dropOf(file),
  );
}

function dropOf(file: string): string {
  return file.replace(OLD_RETRY, "");
}

const OLD_RETRY = /#retry-[0-9a-z]+-[0-9a-f]+$/;

async function redecodeRecorded(
  job: RedecodeJob,
  live: readonly LedgerFile[],
  retried: ReadonlyMap<string, readonly LedgerFile[]>,
): Promise<Redecoded> {
  const { ports, config } = job;
  const fixes = await ports.catalog.ledger.fixes(config.name);
  const latest = await ports.catalog.ledger.contract(config.name);
  const files = await Promise.all(
    live.map(async (file): Promise<LedgerFile> => {
      if (!retried.has(file.file)) return file;
      const contract = widenedContract(await recordedContract(job, file), latest);
      const columns = contract?.columns ?? null;
      return {
        ...file,
        reading: { ...file.reading, dialect: file.reading?.dialect ?? null, columns },
      };
    }),
  );
  const parts: Redecoded[] = [];
  const same = (file: LedgerFile): string =>
    JSON.stringify([file.landsAs, file.contractVersion, file.reading?.columns ?? null]);
  for (const part of Map.groupBy(files, same).values()) {
    const [first] = part;
    if (first === undefined) continue;
    const contract = await recordedContract(job, first);
    const source = recordedSource(config, contract);
    const group = await redecode(job, { files: part, contract, source, fixes, asRecorded: true });
    refuseLost(config, part, group);
    parts.push(await redecoded(job, part, group));
  }
  return joined(parts);
}

/** What a group of files came to, as rows, rows set aside and accounts. */
export async function redecoded(
  job: RedecodeJob,
  files: readonly LedgerFile[],
  group: DecodedGroup,
): Promise<Redecoded> {
  return {
    data: group.outputs.flatMap((output) => output.data.files),
    rejects: [
      ...group.outputs.flatMap((output) => output.rejects?.files ?? []),
      ...(await wholeFiles(job, files, group)),
    ],
    files: files.map((before) => ({ before, after: accountOf(before, group) })),
    batches: 1,
  };
}

export function joined(parts: readonly Redecoded[]): Redecoded {
  const batches = new Set(parts.flatMap((part) => part.files.map(({ before }) => before.landsAs)));
  return {
    data: parts.flatMap((part) => part.data),
    rejects: parts.flatMap((part) => part.rejects),
    files: parts.flatMap((part) => part.files),
    batches: batches.size,
  };
}

/** The ledger's row of a file after it was read again. */
export function accountOf(before: LedgerFile, group: DecodedGroup): LedgerFile {
  const aside = group.setAside.find(({ file }) => file.name === before.file);
  const decoded = group.files.find(({ name }) => name === before.file);
  if (aside !== undefined || decoded === undefined) {
    const counts = { rowsIn: 1, rowsLanded: 0, rowsQuarantined: 1, rowsDuplicate: 0 };
    const reason = aside === undefined ? before.reason : `${aside.reason}: ${aside.message}`;
    return { ...before, outcome: "quarantined", reason, ...counts };
  }
  const { rowsIn, rowsLanded, rowsQuarantined, dialect, end } = decoded;
  const columns = before.reading?.columns ?? null;
  return {
    ...before,
    outcome: "landed",
    reason: null,
    rowsIn,
    rowsLanded,
    rowsQuarantined,
    rowsDuplicate: 0,
    reading: { ...before.reading, dialect, columns, end: readOnAt(before, end ?? null) },
  };
}

function isOther(before: LedgerFile, after: LedgerFile): boolean {
  return (
    before.outcome !== after.outcome ||
    before.rowsLanded !== after.rowsLanded ||
    before.rowsQuarantined !== after.rowsQuarantined
  );
}

/**
 * A learned contract names columns as a file did: where every row of it would be set aside now, that is never what a
 * rebuild is asked for. Declared columns rule otherwise.
 */
function refuseLost(
  config: SourceConfig,
  before: readonly LedgerFile[],
  group: DecodedGroup,
): void {
  if (config.declared !== null) return;
  const landed = new Set(before.filter((file) => file.rowsLanded > 0).map((file) => file.file));
  const lost = group.files.find((file) => landed.has(file.name) && file.rowsLanded === 0);
  if (lost === undefined) return;
  throw new LakeError("schema", `no row of ${lost.name} would land again`, {
    hint:
      `it landed with other columns: were header, delimiter or encoding of ${config.name} changed since? ` +
      `to read it as tarn.yaml says now: tarn reread ${config.name}; nothing was changed`,
    context: { file: lost.name, source: config.name },
  });
}

/** Quarantine rows of whole files that cannot be read now. */
async function wholeFiles(
  { ports, config, quarantine }: RedecodeJob,
  files: readonly LedgerFile[],
  group: DecodedGroup,
): Promise<StagedFile[]> {
  const batch = files[0]?.landsAs ?? "";
  const atMs = batchTimeMs(batch);
  const rows = wholeFileRows({ source: config.name, batch, atMs }, group, []);
  if (rows.length === 0) return [];
  const folder = await ports.io.stagingFolder(`${batch}-${ports.random.uuid()}-whole`);
  const path = `${folder}/whole.parquet`;
  const written = await ports.rowFiles.write(path, quarantine.schema, rows);
  const day = Math.floor(atMs / 86_400_000);
  return [{ ...written, partition: quarantine.spec.fields.length > 0 ? [day] : [] }];
}

/** What was read again up to a byte goes on from there still. */
function readOnAt({ reading }: LedgerFile, end: TextEnd | null): TextEnd | null {
  return (reading?.toByte ?? null) === null ? end : (reading?.end ?? null);
}

/**
 * Bronze from its originals: every landed file decoded again under the contract version that landed it, with all
 * corrections applied, published as one overwrite. Bronze is a function of (originals, contract versions, fixes).
 */

import { counted } from "../base/count.ts";
import { LakeError } from "../base/errors.ts";
import type { ClaimedFile, DecodeRequest, StagedFile } from "../engine.ts";
import { COMMIT_RETRIES_MAX } from "../limits.ts";
import type { FileIO } from "../ports.ts";
import type { TableChange } from "../table/commit.ts";
import type { Table } from "../table/types.ts";
import { batchTimeMs } from "./batch-id.ts";
import type { Contract, FileSourceConfig } from "./contract.ts";
import { type DecodedGroup, decodeGroup } from "./decode-group.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { LedgerBatch, LedgerFile } from "./ledger.ts";
import { quarantineTable } from "./quarantine.ts";
import { quarantineTarget, type Target } from "./target.ts";
import { wholeFileRows } from "./whole-file.ts";

const READ_BYTES = 4 * 1024 * 1024;
const NEWLINE = 10;

export interface OriginalsReplayed {
  /** Null for a dry run. */
  readonly commit: bigint | null;
  readonly batches: number;
  readonly files: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
}

/** What one source's originals come to, named by no snapshot yet. */
interface Redecoded {
  readonly data: readonly StagedFile[];
  readonly rejects: readonly StagedFile[];
  readonly batches: number;
  readonly files: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
}

/**
 * Replays a source from its originals. Throws `unsupported` when a source keeps none (`before_landing`) or when an
 * original is gone, `conflict` when a foreign writer keeps winning. A dry run decodes and publishes nothing.
 */
export async function replayOriginals(
  ports: LandingPorts,
  config: FileSourceConfig,
  budget: EngineBudget,
  options: { readonly dryRun: boolean; readonly why: string },
): Promise<OriginalsReplayed> {
  refuseRedacted(config);
  for (let attempt = 0; attempt < COMMIT_RETRIES_MAX; attempt++) {
    const table = await ports.catalog.load(config.into);
    if (table === null) {
      throw new LakeError("not-found", `${config.into} has no rows yet`, { hint: "tarn build" });
    }
    const name = quarantineTable(config.into);
    const quarantine = quarantineTarget(name, await ports.catalog.load(name), ports.random);
    const made = await redecode(ports, config, table, quarantine, budget);
    const { data: _, rejects: __, ...counts } = made;
    if (options.dryRun) return { commit: null, ...counts };
    const tables = [
      await overwrite(ports, asTarget(table), made.data),
      await overwrite(ports, quarantine, made.rejects),
    ].filter((change) => change !== null);
    const result = await ports.catalog.commit({
      kind: "replay",
      tables,
      facts: [],
      batches: [],
      withdrawn: [],
      runs: [],
      message: `${options.why}: ${counted(counts.files, "original")} of ${config.name}`,
    });
    if (result.kind === "committed") return { commit: result.number, ...counts };
    if (result.kind === "unknown") {
      throw new LakeError("io", "the commit did not answer", {
        hint: `look at: tarn log ${config.into}`,
        cause: result.cause,
      });
    }
  }
  throw new LakeError("conflict", `${config.into} keeps being changed by another writer`, {
    hint: "nothing was changed; run it again when the other writer is done",
  });
}

function refuseRedacted(config: FileSourceConfig): void {
  const columns = Object.keys(config.beforeLanding);
  if (columns.length === 0) return;
  throw new LakeError("unsupported", `${config.name} keeps no originals`, {
    hint: `its before_landing (${columns.join(", ")}) takes values out before anything is kept`,
  });
}

async function redecode(
  ports: LandingPorts,
  config: FileSourceConfig,
  table: Table,
  quarantine: Target,
  budget: EngineBudget,
): Promise<Redecoded> {
  const { ledger } = ports.catalog;
  const latest = await ledger.contract(config.name);
  const fixes = await ledger.fixes(config.name);
  const total = { batches: 0, files: 0, rowsLanded: 0, rowsQuarantined: 0 };
  const data: StagedFile[] = [];
  const rejects: StagedFile[] = [];
  const batches = await ledger.batches({ source: config.name });
  const versions = await replacedVersions(ports, config, batches);
  for (const batch of batches) {
    if (batch.withdrawnBy !== null) continue;
    const all = await ledger.files({ source: config.name, batch: batch.batch });
    const files = all.filter((file) => isCurrent(file, versions));
    const group = await redecodeBatch({
      ports,
      config,
      table,
      quarantine,
      budget,
      latest,
      fixes,
      batch,
      files,
    });
    refuseLost(config, files, group);
    total.batches += 1;
    total.files += group.files.length;
    data.push(...group.outputs.flatMap((output) => output.data.files));
    rejects.push(...group.outputs.flatMap((output) => output.rejects?.files ?? []));
    rejects.push(...(await wholeFiles(ports, config, quarantine, batch, files, group)));
    for (const file of group.files) {
      total.rowsLanded += file.rowsLanded;
      total.rowsQuarantined += file.rowsQuarantined;
    }
  }
  return { data, rejects, ...total };
}

/** The latest landed version of each file where it stands in for the earlier ones; empty where all stay. */
async function replacedVersions(
  ports: LandingPorts,
  config: FileSourceConfig,
  batches: readonly LedgerBatch[],
): Promise<ReadonlyMap<string, number>> {
  const latest = new Map<string, number>();
  if (config.sameName !== "replace") return latest;
  const live = new Set(batches.filter((b) => b.withdrawnBy === null).map((b) => b.batch));
  for (const file of await ports.catalog.ledger.files({ source: config.name })) {
    if (file.outcome === "duplicate" || !live.has(file.batch)) continue;
    latest.set(file.file, Math.max(file.version, latest.get(file.file) ?? 0));
  }
  return latest;
}

/**
 * A learned contract names columns as a file did: read in another way, every row of it would be set aside, which is
 * never what a rebuild is asked for. Declared columns rule otherwise.
 */
function refuseLost(
  config: FileSourceConfig,
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
      "declare its columns, or drop the file under another source; nothing was changed",
    context: { file: lost.name, source: config.name },
  });
}

function isCurrent(file: LedgerFile, latest: ReadonlyMap<string, number>): boolean {
  return file.version >= (latest.get(file.file) ?? 0);
}

interface BatchJob {
  readonly ports: LandingPorts;
  readonly config: FileSourceConfig;
  readonly table: Table;
  readonly quarantine: Target;
  readonly budget: EngineBudget;
  readonly latest: Contract | null;
  readonly fixes: DecodeRequest["fixes"];
  readonly batch: LedgerBatch;
  readonly files: readonly LedgerFile[];
}

async function redecodeBatch(job: BatchJob): Promise<DecodedGroup> {
  const { ports, config, batch } = job;
  const claimed = job.files.filter(
    (file) => file.original !== null && file.outcome !== "duplicate" && file.sha256 !== "",
  );
  const files: ClaimedFile[] = [];
  for (const file of claimed) files.push(await original(ports, file));
  const version = claimed.find((file) => file.contractVersion !== null)?.contractVersion;
  const recorded =
    version === undefined || version === null
      ? job.latest
      : await ports.catalog.ledger.contract(config.name, version);
  return decodeGroup(ports, {
    batch: batch.batch,
    ingestedAtMs: batchTimeMs(batch.batch),
    // Nothing is learned here: what the recorded version does not take was set aside then, and is now.
    source: { ...config, schema: config.schema === "ignore" ? "ignore" : "quarantine" },
    contract: withCurrentTypes(recorded, job.latest),
    learns: "nothing",
    table: job.table,
    quarantine: job.quarantine,
    files,
    fixes: job.fixes,
    ...job.budget,
  });
}

async function original(ports: LandingPorts, file: LedgerFile): Promise<ClaimedFile> {
  const path = file.original ?? "";
  const stat = await ports.io.stat(path);
  if (stat === null || stat.sizeBytes !== file.sizeBytes) {
    throw new LakeError("corrupt", `the original of ${file.file} is gone or cut short`, {
      hint: "nothing was changed; bronze can still be replayed without --from-originals",
      context: { original: path, sha256: file.sha256 },
    });
  }
  return {
    name: file.file,
    path: `${ports.io.root}/${path}`,
    sha256: file.sha256,
    sizeBytes: file.sizeBytes,
    fromByte: file.fromByte,
    newlines: await newlinesFrom(ports.io, path, file),
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

/** The recorded columns, as wide as later files made them: the table holds no narrower ones any more. */
function withCurrentTypes(recorded: Contract | null, latest: Contract | null): Contract | null {
  if (recorded === null || latest === null) return recorded ?? latest;
  const latestByName = new Map(latest.columns.map((column) => [column.name, column]));
  const columns = recorded.columns.map((column) => {
    const now = latestByName.get(column.name);
    return now === undefined ? column : { ...column, type: now.type, unseen: now.unseen };
  });
  return { ...recorded, columns };
}

/** Quarantine rows of whole files: those that cannot be read now, and drops that were refused then. */
async function wholeFiles(
  ports: LandingPorts,
  config: FileSourceConfig,
  quarantine: Target,
  batch: LedgerBatch,
  files: readonly LedgerFile[],
  group: DecodedGroup,
): Promise<StagedFile[]> {
  const refused = files
    .filter((file) => file.outcome === "quarantined" && file.original === null)
    .map((file) => ({ file: file.file, reason: file.reason ?? "refused" }));
  const atMs = batchTimeMs(batch.batch);
  const rows = wholeFileRows({ source: config.name, batch: batch.batch, atMs }, group, refused);
  if (rows.length === 0) return [];
  const folder = await ports.io.stagingFolder(`${batch.batch}-whole`);
  const path = `${folder}/whole.parquet`;
  const written = await ports.rowFiles.write(path, quarantine.schema, rows);
  const day = Math.floor(atMs / 86_400_000);
  return [{ ...written, partition: quarantine.spec.fields.length > 0 ? [day] : [] }];
}

function asTarget(table: Table): Target {
  const { name, uuid, schema, spec } = table;
  return { table, name, uuid, schema, spec, evolution: null };
}

async function overwrite(
  ports: LandingPorts,
  target: Target,
  staged: readonly StagedFile[],
): Promise<TableChange | null> {
  const { table, name, uuid, schema, spec } = target;
  const live = table === null ? [] : (await ports.catalog.scan(table, table.current)).files;
  if (staged.length === 0 && live.length === 0) return null;
  const added =
    staged.length === 0 ? [] : await ports.catalog.adopt({ name, uuid, schema, spec }, staged);
  const sortOrder = { orderId: 0, fields: [] };
  return {
    table: name,
    uuid,
    create: table === null ? { schema, spec, sortOrder, properties: {} } : null,
    base: table?.current?.snapshotId ?? null,
    schema: null,
    operation: live.length === 0 ? "append" : "overwrite",
    added,
    removed: live.map((file) => file.file.path),
    summary: { "tarn.replay": "originals" },
  };
}

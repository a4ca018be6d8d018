/** Landing: one batch of any source becomes one commit of bronze, quarantine, ledger and offset. */

import { must } from "../base/assert.ts";
import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { ClaimedFile, Dialect, RejectExample, StagedFile } from "../engine.ts";
import type { Catalog, Clock, FileIO, Random, RowFiles, SqlEngine } from "../ports.ts";
import type { StepEngine } from "../steps.ts";
import type { Change, TableChange } from "../table/commit.ts";
import { retoldColumns } from "../table/evolution.ts";
import { publish } from "../table/publish.ts";
import type { DataFile, Snapshot, Table } from "../table/types.ts";
import {
  batchRecord,
  type LandingPlan,
  ledgerFiles,
  type Reopened,
  reopenedFiles,
  shortened,
  wholeFileRows,
} from "./accounts.ts";
import { batchTimeMs, nextBatchId } from "./batch-id.ts";
import { type LandingTable, quarantineTarget } from "./bronze-table.ts";
import { type Contract, type DriftEvent, keepsOriginals, type SourceConfig } from "./contract.ts";
import {
  currentContract,
  newContract,
  readingDifferences,
  versionsFor,
} from "./current-contract.ts";
import { type DecodedGroup, type DecodeGroup, decodeGroup, type Look } from "./decode-group.ts";
import { folderValues } from "./folders.ts";
import type { LedgerBatch, LedgerFile, QuarantineEvent } from "./ledger.ts";
import { quarantineTable, rowId } from "./quarantine.ts";
import type { LeavingRows, Rewritten } from "./rewrite.ts";
import type { Batch, Decision, Part } from "./source.ts";

export interface LandingPorts {
  readonly io: FileIO;
  readonly catalog: Catalog;
  readonly engine: SqlEngine;
  readonly rowFiles: RowFiles;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs programs of models; absent: none is run. */
  readonly steps?: StepEngine;
}

export interface EngineBudget {
  readonly memoryBytes: number;
  readonly threads: number;
}

/** What one batch did, for the screen and for `--json`. */
export interface Landed {
  readonly source: string;
  readonly table: string;
  readonly batch: string;
  readonly commit: bigint;
  readonly sequenceNumber: bigint | null;
  readonly files: readonly LedgerFile[];
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  readonly duplicates: readonly { file: string; first: string; isBeginning: boolean }[];
  readonly changed: readonly string[];
  readonly drift: readonly DriftEvent[];
  /** Keys of folders `key=value` that no column has: the paths of files alone say them. */
  readonly unreadFolders: readonly string[];
  /** Columns that became text; the originals still have the text of their earlier rows. */
  readonly retold: readonly string[];
  /** Columns of text that a setting would type; of a table that was learned now. */
  readonly looks: readonly Look[];
  readonly examples: readonly RejectExample[];
  /** Rows with fields that nobody declared were set aside since columns are, and nobody wrote `schema:`. */
  readonly asideByDefault?: boolean;
  readonly elapsedMs: number;
}

/**
 * Lands one batch: all that is in it or nothing is in the tables when this resolves, and the batch was told so.
 * Answers what each table got. Throws `schema` under `schema: fail`, `conflict` when a foreign writer keeps winning,
 * `io` when the disk refuses.
 */
export async function landBatch(
  ports: LandingPorts,
  batch: Batch,
  budget: EngineBudget,
): Promise<Landed[]> {
  const startedMs = ports.clock.nowMs();
  try {
    const parts = await batch.parts();
    const names = parts.map(({ config }) => config.into).join(", ");
    const asText = new Map(parts.map((part) => [part, new Set<string>()]));
    const landed = await publish({
      what: names,
      hint: "nothing of the batch was written; it is landed by the next build",
      attempt: () => landOnce(ports, batch, { parts, startedMs, asText }, budget),
    });
    await batch.acknowledge(landed.flatMap(({ files }) => files));
    const elapsedMs = ports.clock.nowMs() - startedMs;
    return landed.map((one) => ({ ...one, elapsedMs }));
  } catch (thrown) {
    // They are there when the batch is tried again; what went wrong comes first.
    await batch.keep().catch(() => {});
    await batch.failed?.(thrown);
    throw thrown;
  }
}

interface Work {
  readonly parts: readonly Part[];
  readonly startedMs: number;
  /** Columns whose earlier rows fit no wider type exactly (2^53 + 1 in a double): a new type for them is text. */
  readonly asText: ReadonlyMap<Part, Set<string>>;
}

/** One attempt; null where another writer was faster. */
async function landOnce(
  ports: LandingPorts,
  batch: Batch,
  work: Work,
  budget: EngineBudget,
): Promise<Landed[] | null> {
  const staged: Staged[] = [];
  for (const part of work.parts) staged.push(await stageOrWiden(ports, batch, part, work, budget));
  const recorded = record(ports, batch, staged);
  const result = await ports.catalog.commit(landChange(batch, staged), recorded);
  if (result.kind === "conflict") return null;
  const cause = result.kind === "unknown" ? result.cause : null;
  const number = result.kind === "committed" ? result.number : await outcome(ports, staged, cause);
  if (number === null) return null;
  const snapshots = result.kind === "committed" ? result.snapshots : null;
  return staged.map((one) => landedPart(one, number, snapshots?.get(one.plan.config.into)));
}

/** Writes what the commit makes visible of the batch. */
async function record(
  { catalog: { ledger } }: LandingPorts,
  batch: Batch,
  staged: readonly Staged[],
): Promise<void> {
  // Synced while they were decoded: nothing names an original that may be lost.
  await batch.keep();
  for (const { plan, reopened, ...record } of staged) {
    const events = reopened.flatMap((one) => reopenedRows(plan, one));
    if (events.length > 0) await ledger.addQuarantineEvents(events);
    const left = reopened.flatMap((one) => shortened(plan, one));
    await ledger.prepare({
      batch: record.record,
      files: [...record.files, ...left],
      replaces: [...record.replaces, ...reopened.map(({ file }) => file)],
      contract: record.contract,
      drift: record.group.drift,
    });
  }
}

/** What of a batch goes into one table: written, and named by nothing yet. */
interface Staged {
  readonly plan: LandingPlan;
  readonly group: DecodedGroup;
  readonly bronze: TableChange | null;
  readonly rejected: TableChange | null;
  readonly replaces: readonly LedgerFile[];
  readonly reopened: readonly Reopened[];
  readonly files: readonly LedgerFile[];
  readonly record: LedgerBatch;
  readonly contract: Contract | null;
}

/**
 * Where earlier rows do not fit a column's wider type exactly, the column becomes text and everything of the part is
 * decoded once more.
 */
async function stageOrWiden(
  ports: LandingPorts,
  batch: Batch,
  part: Part,
  work: Work,
  budget: EngineBudget,
): Promise<Staged> {
  const asText = must(work.asText.get(part), "every part has its columns");
  for (;;) {
    try {
      const plan = await planOf(ports, part, work.startedMs);
      return await stage(ports, batch, plan, budget, asText);
    } catch (thrown) {
      const column = thrown instanceof LakeError ? thrown.context.column : undefined;
      const isMisfit = thrown instanceof LakeError && thrown.code === "schema";
      if (!isMisfit || typeof column !== "string" || asText.has(column)) throw thrown;
      const isDeclared = part.config.declared?.some((each) => each.name === column) === true;
      if (isDeclared) throw withReread(part.config, thrown);
      asText.add(column);
    }
  }
}

async function planOf(ports: LandingPorts, part: Part, startedMs: number): Promise<LandingPlan> {
  const previous = await ports.catalog.fact("offset", lastBatchOf(part.config.name));
  const id = nextBatchId(ports.clock.nowMs(), previous, ports.random.uuid());
  // By the id and not by the clock: a replay from originals finds the same instant again.
  return { ...part, batch: id, previous, ingestedAtMs: batchTimeMs(id), startedMs };
}

/** A declared type that earlier rows do not fit is for them too, once they are read again. */
function withReread(config: SourceConfig, thrown: LakeError): LakeError {
  if (!keepsOriginals(config)) return thrown;
  const { name } = config;
  return new LakeError("schema", thrown.message, {
    hint: `${thrown.hint ?? ""}; to set those aside that do not fit: tarn reread ${name} --dry-run`,
    context: thrown.context,
    cause: thrown,
  });
}

async function stage(
  ports: LandingPorts,
  batch: Batch,
  plan: LandingPlan,
  budget: EngineBudget,
  asText: ReadonlySet<string>,
): Promise<Staged> {
  const { catalog } = ports;
  const table = await catalog.load(plan.config.into);
  const rejectsName = quarantineTable(plan.config.into);
  const quarantine = quarantineTarget(rejectsName, await catalog.load(rejectsName), ports.random);
  const group = await decode(ports, batch, plan, { table, quarantine, asText }, budget);
  const replaces = await replacedFiles(ports, plan, group);
  const reopened = reopenedFiles(plan, group);
  const bronze = await bronzeChange(ports, plan, table, { group, replaces, reopened }, budget);
  const rejected = await quarantineChange(ports, plan, group, quarantine);
  const files = ledgerFiles(plan, group);
  const record = batchRecord(plan, files);
  const contract = newContract(await catalog.ledger.contract(plan.config.name), group);
  return { plan, group, bronze, rejected, replaces, reopened, files, record, contract };
}

function landedPart(
  { plan, group, bronze, files, record }: Staged,
  commit: bigint,
  snapshot: Snapshot | undefined,
): Landed {
  const examples = group.outputs.flatMap((output) => output.examples);
  const isUnknown = examples.some(({ reason }) => reason === "unknown-field");
  return {
    source: plan.config.name,
    table: plan.config.into,
    batch: plan.batch,
    commit,
    sequenceNumber: snapshot?.sequenceNumber ?? null,
    files,
    rowsLanded: record.rowsLanded,
    rowsQuarantined: record.rowsQuarantined,
    duplicates: plan.decisions.flatMap((decision) =>
      decision.kind === "duplicate" ? [duplicateOf(decision)] : [],
    ),
    changed: plan.decisions.flatMap((decision) =>
      decision.kind === "land" && decision.changed ? [decision.claim.file] : [],
    ),
    drift: group.drift,
    unreadFolders: unreadFolders(plan, group),
    retold: bronze?.operation === "overwrite" ? retold(plan, group) : [],
    looks: group.looks,
    examples,
    ...(plan.config.schemaImplied === true && isUnknown ? { asideByDefault: true } : {}),
    elapsedMs: 0,
  };
}

function duplicateOf({ claim, first, isBeginning }: Decision & { readonly kind: "duplicate" }) {
  return { file: claim.file, first, isBeginning: isBeginning === true };
}

function unreadFolders({ config }: LandingPlan, { contract, files }: DecodedGroup): string[] {
  const isRead = config.read.folders;
  const columns = new Set(contract?.columns.map(({ source }) => source.toLowerCase()));
  const keys = files.flatMap((file) => folderValues(file.name).map(({ name }) => name));
  return [...new Set(keys)].filter((key) => !isRead || !columns.has(key.toLowerCase()));
}

function retold(plan: LandingPlan, { target }: DecodedGroup): string[] {
  return keepsOriginals(plan.config) ? retoldColumns(target?.evolution?.retyped ?? []) : [];
}

/** After a commit without a clear answer: the ledger says whether the batch is in. */
async function outcome(
  ports: LandingPorts,
  staged: readonly Staged[],
  cause: unknown,
): Promise<bigint | null> {
  for (const { plan } of staged) {
    const batch = await ports.catalog.ledger.batch(plan.batch);
    if (batch?.commit !== null && batch !== null) return batch.commit;
  }
  if (cause === null) return null;
  const names = staged.map(({ plan }) => plan.config.into).join(", ");
  throw new LakeError("io", `the commit of ${names} did not answer`, {
    hint: "nothing was acknowledged; run the command again, it continues where the lake stands",
    cause,
    scope: "lake",
  });
}

async function decode(
  ports: LandingPorts,
  batch: Batch,
  plan: LandingPlan,
  into: Pick<DecodeGroup, "table" | "quarantine" | "asText">,
  budget: EngineBudget,
): Promise<DecodedGroup> {
  const files: ClaimedFile[] = [];
  for (const decision of plan.decisions) {
    if (decision.kind !== "land") continue;
    const { claim, fromByte, newlines, goesOn } = decision;
    const { file: name, sha256, sizeBytes } = claim;
    const writtenAs = goesOn === undefined ? null : await writtenBefore(ports, plan.config, goesOn);
    files.push({
      ...{ name, path: batch.pathOf(claim), sha256, sizeBytes, fromByte, newlines },
      ...(writtenAs === null ? {} : { writtenAs }),
    });
  }
  const contract = await currentContract(ports.catalog, plan.config);
  const versions = await versionsFor(ports.catalog, plan.config, contract);
  if (files.length === 0) {
    return { contract, drift: [], target: null, outputs: [], files: [], looks: [], setAside: [] };
  }
  const fixes = await ports.catalog.ledger.fixes(plan.config.name, [plan.batch]);
  return decodeGroup(ports, {
    batch: plan.batch,
    ingestedAtMs: plan.ingestedAtMs,
    source: plan.config,
    contract,
    versions,
    ...into,
    files,
    fixes,
    ...budget,
  });
}

/**
 * How a text that goes on was found to be written, where rows landed by that and tarn.yaml says nothing else since:
 * what is added to it is judged as what was there, and judges nothing.
 */
async function writtenBefore(
  { catalog }: LandingPorts,
  { name, read }: SourceConfig,
  { contractVersion, reading, rowsLanded }: LedgerFile,
): Promise<Dialect | null> {
  const dialect = reading?.dialect ?? null;
  if (dialect === null || dialect.delimiter === null || rowsLanded === 0) return null;
  const stored = await catalog.ledger.contract(name);
  const then =
    stored?.version === contractVersion
      ? stored
      : (await catalog.ledger.contracts(name)).find(
          ({ contract }) => contract.version === contractVersion,
        )?.contract;
  const before = then?.read ?? null;
  return before !== null && readingDifferences(before, read).length === 0 ? dialect : null;
}

/**
 * The files whose rows these stand in for: earlier versions where the source says so, and everywhere what was set aside
 * whole under its name, or the one that it had then, for nothing of it landed. A version that is set aside itself takes
 * the place of no rows.
 */
async function replacedFiles(
  ports: LandingPorts,
  plan: LandingPlan,
  group: DecodedGroup,
): Promise<LedgerFile[]> {
  const { ledger } = ports.catalog;
  const aside = new Set(group.setAside.map(({ file }) => file.name));
  const replaced: LedgerFile[] = [];
  for (const decision of plan.decisions) {
    if (decision.kind === "duplicate") continue;
    replaced.push(...(decision.wasAside ?? []));
    if (decision.version === 1) continue;
    const { file } = decision.claim;
    const takesRows = decision.replaces && !aside.has(file);
    const before = await ledger.files({ source: plan.config.name, file, live: true });
    replaced.push(...before.filter((one) => takesRows || one.outcome === "quarantined"));
  }
  // One that has another name now, and whose own has something else.
  return [...new Map(replaced.map((one) => [`${one.batch} ${one.file}`, one])).values()];
}

/** Of rows that were set aside where a text was open: what stands there now is read again. */
function reopenedRows({ batch, startedMs }: LandingPlan, { file, end }: Reopened) {
  // Of one that is replaced as a whole its rows are closed with it.
  if (end === null || end.aside === 0) return [];
  const count = Math.min(end.lines, REOPENED_LINES_MAX);
  return Array.from({ length: count }, (_, index): QuarantineEvent => {
    const id = rowId(file.landsAs, file.file, `line ${end.line + index}`);
    return { id, status: "superseded", timeMs: startedMs, batch, note: "its file went on" };
  });
}

/** Behind a quote that is open no more lines are asked about. */
const REOPENED_LINES_MAX = 10_000;

interface Landing {
  readonly group: DecodedGroup;
  readonly replaces: readonly LedgerFile[];
  readonly reopened: readonly Reopened[];
}

async function bronzeChange(
  ports: LandingPorts,
  plan: LandingPlan,
  table: Table | null,
  { group, replaces, reopened }: Landing,
  budget: EngineBudget,
): Promise<TableChange | null> {
  const target = group.target;
  if (target === null) return null;
  const staged = group.outputs.flatMap((output) => output.data.files);
  const replacing: LeavingRows[] = replaces.flatMap(({ landsAs, file, rowsLanded }) =>
    rowsLanded > 0 ? [{ batch: landsAs, file }] : [],
  );
  for (const { file, end } of reopened) {
    if (end === null || end.rows === 0) continue;
    replacing.push({ batch: file.landsAs, file: file.file, lastRows: end.rows });
  }
  const rewritten = await rewriteEarlier(ports, plan, table, target, replacing, budget);
  const schemaChanged = (target.evolution?.changes.length ?? 0) > 0;
  if (staged.length === 0 && rewritten.removed.length === 0 && !schemaChanged && table !== null) {
    return null;
  }
  const added = await adopt(ports, target, [...staged, ...rewritten.files]);
  const overwrite = rewritten.removed.length > 0;
  return {
    table: target.name,
    uuid: target.uuid,
    create: createSpec(target),
    base: table?.current?.snapshotId ?? null,
    schema: schemaChanged ? target.schema : null,
    operation: added.length === 0 && !overwrite ? null : overwrite ? "overwrite" : "append",
    added,
    removed: rewritten.removed,
    summary: summary(plan),
  };
}

async function rewriteEarlier(
  ports: LandingPorts,
  plan: LandingPlan,
  table: Table | null,
  target: LandingTable,
  replacing: readonly LeavingRows[],
  budget: EngineBudget,
): Promise<Rewritten> {
  const retyped = target.evolution?.retyped ?? [];
  // Most batches leave what is there as it is: they look at none of its files, however many there are.
  if (table === null || replacing.length + retyped.length === 0) return { files: [], removed: [] };
  const scan = await ports.catalog.scan(table, table.current);
  const staging = await ports.io.stagingFolder(`${plan.batch}-rewrite`);
  const job = { scan, target, staging, ...budget, timeMs: plan.ingestedAtMs };
  const { rewriteForSchema, rowsWithoutFiles } = await import("./rewrite.ts");
  return replacing.length > 0
    ? rowsWithoutFiles(ports.engine, job, replacing, retyped)
    : rewriteForSchema(ports.engine, job, retyped);
}

async function quarantineChange(
  ports: LandingPorts,
  plan: LandingPlan,
  group: DecodedGroup,
  quarantine: LandingTable,
): Promise<TableChange | null> {
  const staged = group.outputs.flatMap((output) => output.rejects?.files ?? []);
  const { batch, config, ingestedAtMs: atMs } = plan;
  const whole = wholeFileRows({ source: config.name, batch, atMs }, group, plan.refused);
  const files: StagedFile[] = [...staged];
  if (whole.length > 0) {
    const folder = await ports.io.stagingFolder(`${plan.batch}-whole`);
    const day = Math.floor(plan.ingestedAtMs / 86_400_000);
    const written = await ports.rowFiles.write(`${folder}/whole.parquet`, quarantine.schema, whole);
    files.push({ ...written, partition: quarantine.spec.fields.length > 0 ? [day] : [] });
  }
  if (files.length === 0) return null;
  return {
    table: quarantine.name,
    uuid: quarantine.uuid,
    create: createSpec(quarantine),
    base: quarantine.table?.current?.snapshotId ?? null,
    schema: null,
    operation: "append",
    added: await adopt(ports, quarantine, files),
    removed: [],
    summary: summary(plan),
  };
}

async function adopt(
  ports: LandingPorts,
  target: LandingTable,
  staged: readonly StagedFile[],
): Promise<DataFile[]> {
  if (staged.length === 0) return [];
  const { name, uuid, schema, spec } = target;
  return ports.catalog.adopt({ name, uuid, schema, spec }, staged);
}

function createSpec(target: LandingTable): TableChange["create"] {
  if (target.table !== null) return null;
  return {
    schema: target.schema,
    spec: target.spec,
    sortOrder: { orderId: 0, fields: [] },
    properties: {},
  };
}

function landChange(batch: Batch, staged: readonly Staged[]): Change {
  const rows = staged.reduce((sum, { record }) => sum + record.rowsLanded, 0);
  const claims = new Set(staged.flatMap(({ plan }) => plan.decisions.map(({ claim }) => claim)));
  const names = staged.map(({ plan }) => plan.config.name).join(", ");
  const advanced = batch.offset === null ? [] : [batch.offset];
  const batches = staged.map(({ plan: { config, previous, batch: id } }) => ({
    name: lastBatchOf(config.name),
    was: previous,
    becomes: id,
  }));
  return {
    kind: "land",
    tables: staged.flatMap(({ bronze, rejected }) => [bronze, rejected].filter(isChange)),
    facts: [...advanced, ...batches].map((fact) => ({ kind: "offset", ...fact })),
    batches: staged.map(({ plan }) => plan.batch),
    withdrawn: [],
    runs: [],
    message: `${counted(rows, "row")} from ${counted(claims.size, batch.unit)} of ${names}`,
  };
}

function isChange(change: TableChange | null): change is TableChange {
  return change !== null;
}

function summary(plan: LandingPlan): Record<string, string> {
  return { "tarn.batch-id": plan.batch, "tarn.source-id": plan.config.name };
}

/** The fact that holds the last batch of a source; named when files were the only sources. */
function lastBatchOf(source: string): string {
  return `files:${source}`;
}

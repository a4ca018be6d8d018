/** Quarantined rows decoded again, corrected or as they are, and landed exactly once. */

import { counted } from "../base/count.ts";
import { LakeError } from "../base/errors.ts";
import { sha256Hex } from "../base/sha256.ts";
import type { ClaimedFile } from "../engine.ts";
import { RAW_TEXT_CHARS_MAX } from "../limits.ts";
import type { Fact } from "../table/commit.ts";
import type { DataFile } from "../table/types.ts";
import { batchTimeMs, nextBatchId } from "./batch-id.ts";
import type { FileSourceConfig, ReadOptions } from "./contract.ts";
import { type DecodedGroup, decodeGroup } from "./decode-group.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { Fix, LedgerFile, QuarantineEvent } from "./ledger.ts";
import { quarantineTable, type RowPlace } from "./quarantine.ts";
import { quarantineTarget } from "./target.ts";

const JSON_ENDING = ".jsonl";

/** A quarantined row with the text to decode in its place. */
export interface RetryItem {
  readonly id: string;
  /** The drop it came from. */
  readonly file: string;
  /** As it stood in the file. */
  readonly raw: string;
  /** As it should be read; the same text when only the contract changed. */
  readonly text: string;
  /** First line of its file where that is a header; null for formats without one. */
  readonly header: string | null;
  readonly place: RowPlace;
}

export interface Retried {
  readonly landed: number;
  /** Rows that do not fit still. */
  readonly failed: readonly string[];
  /** Rows that an earlier retry landed: nothing was done for them. */
  readonly already: readonly string[];
  readonly commit: bigint | null;
}

/**
 * Lands the rows that decode now, as one commit with a key per row: retrying twice changes nothing. Corrections are
 * kept under the row's id and applied again by every replay from originals.
 */
export async function retryRows(
  ports: LandingPorts,
  config: FileSourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
): Promise<Retried> {
  const done = await ports.catalog.facts("key");
  const fresh = items.filter((item) => !done.has(keyName(item.id)));
  const already = items.filter((item) => done.has(keyName(item.id))).map((item) => item.id);
  const previous = await ports.catalog.fact("offset", offsetName(config.name));
  const batch = nextBatchId(ports.clock.nowMs(), previous, ports.random.uuid());
  const job: RetryJob = { ports, config, budget, batch, previous };
  // Of a row that was cut when it was kept, and of a whole file, there is no text to land.
  const good: RetryItem[] = [];
  for (const part of alike(config, fresh.filter(hasWholeText))) {
    good.push(...(await sift(job, part)));
  }
  const failed = fresh.filter((item) => !good.includes(item)).map((item) => item.id);
  await closeAgain(
    job,
    items.filter((item) => already.includes(item.id)),
  );
  const commit = good.length === 0 ? null : await landRows(job, good);
  await emptyTexts(job);
  return { landed: good.length, failed, already, commit };
}

interface RetryJob {
  readonly ports: LandingPorts;
  readonly config: FileSourceConfig;
  readonly budget: EngineBudget;
  readonly batch: string;
  /** The source's last batch, which this one comes after. */
  readonly previous: string | null;
}

function hasWholeText(item: RetryItem): boolean {
  if (item.text !== item.raw) return item.text.trim() !== "";
  return item.raw.trim() !== "" && item.raw.length < RAW_TEXT_CHARS_MAX;
}

/** Items whose texts are read in one way. */
function alike(config: FileSourceConfig, items: readonly RetryItem[]): RetryItem[][] {
  return [...Map.groupBy(items, (item) => extension(config, item.file)).values()];
}

/** The items that decode, found by halving: one bad row costs a few decodes, not one each. */
async function sift(job: RetryJob, items: readonly RetryItem[]): Promise<readonly RetryItem[]> {
  if (items.length === 0) return [];
  const group = await decodeItems(job, items);
  const landed = group.files.reduce((sum, file) => sum + file.rowsLanded, 0);
  const whole = group.files.every((file) => file.rowsLanded === file.rowsIn);
  if (group.setAside.length === 0 && whole && landed === items.length) return items;
  if (items.length === 1) return [];
  const middle = Math.ceil(items.length / 2);
  return [...(await sift(job, items.slice(0, middle))), ...(await sift(job, items.slice(middle)))];
}

/** The folder of texts to decode, without any. */
async function emptyTexts({ ports, config }: RetryJob): Promise<string> {
  return await ports.io.stagingFolder(`retry-${config.name}`);
}

/** Decodes items that are alike. */
async function decodeItems(job: RetryJob, items: readonly RetryItem[]): Promise<DecodedGroup> {
  const { ports, config, batch } = job;
  const rejects = quarantineTable(config.into);
  const files: ClaimedFile[] = [];
  const folder = await emptyTexts(job);
  const [first] = items;
  const ending = first === undefined ? "" : extension(config, first.file);
  const byFile = Map.groupBy(items, (item) => item.file);
  for (const [name, rows] of byFile) {
    const header = rows[0]?.header ?? null;
    const lines = [...(header === null ? [] : [header]), ...rows.map((row) => row.text)];
    const text = `${lines.join("\n")}\n`;
    const sha256 = sha256Hex(text);
    const path = `${folder}/${sha256}${ending}`;
    await ports.io.writeStaged(path, new TextEncoder().encode(text));
    const sizeBytes = new TextEncoder().encode(text).length;
    files.push({ name, path, sha256, sizeBytes, fromByte: 0, newlines: lines.length });
  }
  const table = await ports.catalog.load(config.into);
  const quarantine = quarantineTarget(rejects, await ports.catalog.load(rejects), ports.random);
  return decodeGroup(ports, {
    batch,
    ingestedAtMs: batchTimeMs(batch),
    // A correction must fit the contract there is; it does not change it.
    source: { ...config, schema: "quarantine", read: readText(config, ending) },
    contract: await ports.catalog.ledger.contract(config.name),
    learns: "nothing",
    table,
    quarantine,
    files,
    fixes: [],
    ...job.budget,
  });
}

async function landRows(job: RetryJob, items: readonly RetryItem[]): Promise<bigint> {
  const { ports, config, batch } = job;
  const added: DataFile[] = [];
  const table = await ports.catalog.load(config.into);
  for (const part of alike(config, items)) {
    const { target, outputs } = await decodeItems(job, part);
    if (target === null) break;
    const { name, uuid, schema, spec } = target;
    const staged = outputs.flatMap((output) => output.data.files);
    added.push(...(await ports.catalog.adopt({ name, uuid, schema, spec }, staged)));
  }
  if (added.length === 0 || table === null) {
    throw new LakeError("not-found", `${config.into} has no rows to add to`, {
      hint: "drop the corrected file instead",
    });
  }
  const nowMs = ports.clock.nowMs();
  // Before the commit: a row that is landed by its correction must never be without it in a replay.
  await keepFixes(job, items, nowMs);
  await ports.catalog.ledger.prepare({
    batch: {
      batch,
      source: config.name,
      table: config.into,
      startedMs: nowMs,
      commit: null,
      withdrawnBy: null,
      rowsIn: items.length,
      rowsLanded: items.length,
      rowsQuarantined: 0,
      rowsDuplicate: 0,
    },
    files: ledgerFiles(job, items, nowMs),
    contract: null,
    drift: [],
  });
  const result = await ports.catalog.commit({
    kind: "retry",
    tables: [
      {
        table: table.name,
        uuid: table.uuid,
        create: null,
        base: table.current?.snapshotId ?? null,
        schema: null,
        operation: "append",
        added,
        removed: [],
        summary: { "tarn.batch-id": batch, "tarn.source-id": config.name },
      },
    ],
    facts: [
      { kind: "offset", name: offsetName(config.name), was: job.previous, becomes: batch },
      ...items.map(
        (item): Fact => ({ kind: "key", name: keyName(item.id), was: null, becomes: batch }),
      ),
    ],
    batches: [batch],
    withdrawn: [],
    runs: [],
    message: `${counted(items.length, "quarantined row")} of ${config.name} landed`,
  });
  if (result.kind !== "committed") {
    throw new LakeError("conflict", "the rows were not landed: the lake changed meanwhile", {
      hint: "run the retry again; rows that are in already are left alone",
    });
  }
  await close(job, items, nowMs);
  return result.number;
}

/** Where values are taken out of rows before anything is kept, a corrected text is not kept either. */
async function keepFixes(job: RetryJob, items: readonly RetryItem[], nowMs: number): Promise<void> {
  if (Object.keys(job.config.beforeLanding).length > 0) return;
  const { ledger } = job.ports.catalog;
  const fixes = items
    .filter((item) => item.text !== item.raw)
    .map(
      (item): Fix => ({
        id: item.id,
        source: job.config.name,
        table: job.config.into,
        action: "replace",
        raw: item.text,
        place: item.place,
        createdMs: nowMs,
      }),
    );
  if (fixes.length > 0) await ledger.addFixes(fixes);
}

async function close(job: RetryJob, items: readonly RetryItem[], nowMs: number): Promise<void> {
  await job.ports.catalog.ledger.addQuarantineEvents(
    items.map(
      (item): QuarantineEvent => ({
        id: item.id,
        status: item.text === item.raw ? "superseded" : "fixed",
        timeMs: nowMs,
        batch: job.batch,
        note: null,
      }),
    ),
  );
}

/** Rows that a retry landed and died before it said so. */
async function closeAgain(job: RetryJob, items: readonly RetryItem[]): Promise<void> {
  if (items.length === 0) return;
  const { catalog, clock } = job.ports;
  const closed = new Set((await catalog.ledger.quarantineEvents()).map((event) => event.id));
  const open = items.filter((item) => !closed.has(item.id));
  if (open.length > 0) await close(job, open, clock.nowMs());
}

/** Ledger rows under a name of their own: the drop's own row still says what its bytes were. */
function ledgerFiles(job: RetryJob, items: readonly RetryItem[], nowMs: number): LedgerFile[] {
  return [...Map.groupBy(items, (item) => item.file)].map(([file, rows]) => ({
    batch: job.batch,
    source: job.config.name,
    file: `${file}#retry-${job.batch}`,
    version: 1,
    sha256: sha256Hex(rows.map((row) => row.id).join("\n")),
    sizeBytes: 0,
    modifiedMs: nowMs,
    inode: "",
    original: null,
    fromByte: 0,
    outcome: "landed",
    reason: "retried from quarantine",
    rowsIn: rows.length,
    rowsLanded: rows.length,
    rowsQuarantined: 0,
    rowsDuplicate: 0,
    contractVersion: null,
  }));
}

function offsetName(source: string): string {
  return `files:${source}`;
}

function keyName(id: string): string {
  return `retry:${id}`;
}

/** The text is ours: it is UTF-8, and JSON where the name says Parquet. */
function readText({ read }: FileSourceConfig, ending: string): ReadOptions {
  return { ...read, encoding: "utf-8", format: ending === JSON_ENDING ? "json" : read.format };
}

/** Readers look at the name where the format is not given. */
function extension(config: FileSourceConfig, file: string): string {
  const { format } = config.read;
  if (format !== null) return format === "csv" ? ".csv" : JSON_ENDING;
  // Rows of binary formats are set aside as JSON.
  return /\.(jsonl|ndjson|json|parquet|avro|xlsx)(\.\w+)?$/i.test(file) ? JSON_ENDING : ".csv";
}

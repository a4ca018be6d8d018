/** Quarantined rows read again, corrected or as they are, and landed in their own places. */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import { publish } from "../table/publish.ts";
import type { SourceConfig } from "./contract.ts";
import { currentContract, newContract } from "./current-contract.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { Fix, GoneFile, LedgerFile, QuarantineEvent } from "./ledger.ts";
import { accountOf, NOTHING_CHANGED, redecodeJob, rowsOf } from "./originals.ts";
import { rowId, WHOLE_FILE } from "./quarantine.ts";
import {
  hasOriginal,
  type RedecodeJob,
  recordedContract,
  recordedSource,
  redecode,
  widenedContract,
  withTableTypes,
} from "./redecode.ts";
import { nextStandIn, republish, type StandIn } from "./republish.ts";
import type { NotRetried, RetriedFile, RetryItem } from "./retry-item.ts";
import { retryTexts } from "./retry-text.ts";
import { readTexts } from "./row-text.ts";

export interface Retried {
  readonly landed: number;
  /** Rows that do not fit still, or that cannot be read. */
  readonly failed: readonly NotRetried[];
  /** Rows that landed before: nothing was done for them. */
  readonly already: readonly string[];
  /** Rows whose file is in no table any more. */
  readonly gone: readonly NotRetried[];
  /** Rows of the same files that were not asked for, and that fit by now. */
  readonly besides: number;
  readonly commit: bigint | null;
}

/**
 * Lands the rows that can be read now. The file of a row is read again from its original, so that the row takes its
 * place in it; corrections are kept under the row's id and count as long as this batch is in the lake.
 */
export async function retryRows(
  ports: LandingPorts,
  config: SourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
): Promise<Retried> {
  const single = items.filter(({ position }) => position !== WHOLE_FILE);
  // What a file teaches is known to the next one: each is a commit of its own.
  const whole = items.filter(({ position }) => position === WHOLE_FILE).map((item) => [item]);
  const retried: Retried[] = [];
  for (const part of [single, ...whole]) {
    if (part.length > 0) retried.push(await retryPart(ports, config, part, budget));
  }
  return {
    landed: retried.reduce((sum, one) => sum + one.landed, 0),
    failed: retried.flatMap(({ failed }) => failed),
    already: retried.flatMap(({ already }) => already),
    gone: retried.flatMap(({ gone }) => gone),
    besides: retried.reduce((sum, one) => sum + one.besides, 0),
    commit: retried.reduce((last: bigint | null, { commit }) => commit ?? last, null),
  };
}

async function retryPart(
  ports: LandingPorts,
  config: SourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
): Promise<Retried> {
  const attempt = () => retryOnce(ports, config, items, budget);
  return await publish({ what: config.into, hint: NOTHING_CHANGED, attempt });
}

async function retryOnce(
  ports: LandingPorts,
  config: SourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
): Promise<Retried | null> {
  const { ledger } = ports.catalog;
  const closed = new Set((await ledger.quarantineEvents()).filter(isClosed).map(({ id }) => id));
  const already = items.filter(({ id }) => closed.has(id)).map(({ id }) => id);
  const live = await ledger.files({ source: config.name, live: true });
  const goneFiles = await ledger.gone();
  const gone: NotRetried[] = [];
  const parts: RetriedFile[] = [];
  const fresh = items.filter(({ id }) => !closed.has(id));
  const job = await redecodeJob(ports, config, budget);
  for (const rows of Map.groupBy(fresh, placeOf).values()) {
    const [first] = rows;
    const file = live.find((one) => first !== undefined && isFileOf(one, first));
    if (file === undefined)
      gone.push(...rows.map((row) => ({ id: row.id, why: whyGone(goneFiles, row) })));
    else parts.push(...(await retryFile(job, file, rows)));
  }
  const failed = parts.flatMap((part) => part.failed);
  const good = parts.filter((part) => part.landed.length > 0);
  const none = { landed: 0, failed, already, gone, besides: 0, commit: null };
  if (good.length === 0) return none;
  const landed = good.reduce((sum, part) => sum + part.landed.length, 0);
  const besides = good.reduce((sum, part) => sum + part.besides.length, 0);
  const commit = await publishRetry(job, good, landed);
  return commit === null ? null : { landed, failed, already, gone, besides, commit };
}

function isClosed({ status }: QuarantineEvent): boolean {
  return status !== "open";
}

function placeOf({ batch, file }: RetryItem): string {
  return `${batch}\n${file}`;
}

function isFileOf(file: LedgerFile, item: RetryItem): boolean {
  return file.landsAs === item.batch && file.file === item.file;
}

function whyGone(gone: readonly GoneFile[], { batch, file }: RetryItem): string {
  const found = gone.find((one) => one.batch === batch && one.file === file);
  if (found === undefined) return `${file} is not in the ledger of its source`;
  if (found.how === "withdrawn") return `its batch was withdrawn in commit ${found.commit}`;
  return found.version === null
    ? `${file} has another name since commit ${found.commit}`
    : `version ${found.version} of ${file} stands in for it since commit ${found.commit}`;
}

async function retryFile(
  job: RedecodeJob,
  file: LedgerFile,
  items: readonly RetryItem[],
): Promise<RetriedFile[]> {
  if (!hasOriginal(file)) return [await retryTexts(job, file, items)];
  const isWhole = items.some(({ position }) => position === WHOLE_FILE);
  return [await (isWhole ? retryWhole(job, file, items) : retryPlaces(job, file, items))];
}

/** A file of which nothing landed is read as it would be if it were dropped now. */
async function retryWhole(
  job: RedecodeJob,
  file: LedgerFile,
  items: readonly RetryItem[],
): Promise<RetriedFile> {
  const { ports, config } = job;
  const contract = await currentContract(ports.catalog, config);
  const fixes = await ports.catalog.ledger.fixes(config.name);
  const part = { files: [file], contract, source: config, fixes, asRecorded: false };
  const group = await redecode(job, part);
  const after = accountOf({ ...file, contractVersion: group.contract?.version ?? null }, group);
  const { target } = group;
  const isRead = after.outcome === "landed" && target !== null;
  const why = after.reason ?? "it cannot be read";
  return {
    before: file,
    after,
    target: target ?? job.quarantine,
    staged: group.outputs.flatMap((output) => output.data.files),
    rejects: group.outputs.flatMap((output) => output.rejects?.files ?? []),
    isWhole: true,
    landed: isRead ? items : [],
    failed: isRead ? [] : items.map(({ id }) => ({ id, why })),
    besides: [],
    contract: newContract(await ports.catalog.ledger.contract(config.name), group),
  };
}

/** Single rows: all others are read as they landed. */
async function retryPlaces(
  job: RedecodeJob,
  file: LedgerFile,
  items: readonly RetryItem[],
): Promise<RetriedFile> {
  const { ports, config } = job;
  const recorded = await recordedContract(job, file);
  const now = await currentContract(ports.catalog, config);
  const wide = widenedContract(recorded, now);
  const contract = wide === null ? null : withTableTypes(wide, job.table);
  const source = recordedSource(config, contract);
  const texts = await readTexts(job, file, source.read, items);
  const kept = await ports.catalog.ledger.fixes(config.name);
  const given = items.map((item) => ({ ...item, text: texts.textOf(item) }));
  const asked = given.flatMap(({ text, ...item }) =>
    text === undefined ? [] : [{ ...item, text }],
  );
  const fixes = [...kept, ...asked.flatMap((item) => fixOf(config, file, item, item.text))];
  const part = { files: [file], contract, source, fixes, asRecorded: true };
  const group = await redecode(job, part);
  const [decoded] = group.files;
  const rejected = new Set(decoded?.rejected ?? []);
  const isLanded = ({ position }: Pick<RetryItem, "position">): boolean =>
    decoded !== undefined && decoded.fault === null && !rejected.has(position);
  const landed = asked.filter(isLanded);
  const account = accountOf(file, group);
  const more = account.rowsLanded - file.rowsLanded - landed.length;
  if (more < 0 && landed.length > 0) throw losesRows(config, file, -more);
  const columns = contract?.columns ?? null;
  const before = JSON.stringify(recorded?.columns ?? null);
  const own = JSON.stringify(columns) === before ? (file.reading?.columns ?? null) : columns;
  return {
    before: file,
    after: {
      ...account,
      reading: { ...account.reading, dialect: decoded?.dialect ?? null, columns: own },
    },
    target: group.target ?? job.quarantine,
    staged: group.outputs.flatMap((output) => output.data.files),
    rejects: [],
    isWhole: true,
    landed,
    failed: given
      .filter((item) => item.text === undefined || !isLanded(item))
      .map(({ id, text }) => ({ id, why: text === undefined ? texts.whyNot : null })),
    besides: more > 0 && landed.length > 0 ? await besides(job, file, kept, rejected, landed) : [],
    contract: null,
  };
}

/** Rows that were set aside when the file landed, and are not now, though nobody asked for them. */
async function besides(
  job: RedecodeJob,
  file: LedgerFile,
  fixes: readonly Fix[],
  rejected: ReadonlySet<string>,
  landed: readonly RetryItem[],
): Promise<string[]> {
  const contract = await recordedContract(job, file);
  const source = recordedSource(job.config, contract);
  const group = await redecode(job, { files: [file], contract, source, fixes, asRecorded: true });
  const asked = new Set(landed.map(({ position }) => position));
  const before = group.files[0]?.rejected ?? [];
  return before.filter((position) => !rejected.has(position) && !asked.has(position));
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

function fixOf(
  config: SourceConfig,
  file: LedgerFile,
  { id, position }: RetryItem,
  text: string | null,
): Fix[] {
  if (text === null) return [];
  const place = { sha256: file.sha256, position, of: rowsOf(file) };
  const { name: source, into: table } = config;
  return [{ id, source, table, action: "replace", raw: text, place, createdMs: 0, batch: null }];
}

async function publishRetry(
  job: RedecodeJob,
  parts: readonly RetriedFile[],
  landed: number,
): Promise<bigint | null> {
  const { ports, config, budget } = job;
  const [first] = parts;
  if (first === undefined) return null;
  const standIn = await nextStandIn(ports, config.name);
  const nowMs = ports.clock.nowMs();
  // Where values are taken out of rows before anything is kept, a corrected text is not kept either.
  const keepsTexts = Object.keys(config.beforeLanding).length === 0;
  return republish(ports, budget, {
    config,
    kind: "retry",
    message: `${counted(landed, "quarantined row")} of ${config.name} landed`,
    summary: { "tarn.batch-id": standIn.batch, "tarn.source-id": config.name },
    bronze: {
      target: first.target,
      leaving: parts.filter(({ isWhole }) => isWhole).map(({ before }) => rowsOf(before)),
      staged: parts.flatMap(({ staged }) => staged),
    },
    aside: {
      target: job.quarantine,
      leaving: [],
      staged: parts.flatMap(({ rejects }) => rejects),
    },
    standIn,
    files: parts.map(({ after }) => ({ ...after, batch: standIn.batch })),
    replaces: parts.map(({ before }) => before),
    contract: parts.find(({ contract }) => contract !== null)?.contract ?? null,
    fixes: keepsTexts ? fixesOf(config, parts, standIn, nowMs) : [],
    events: parts.flatMap((part) => eventsOf(part, standIn, nowMs)),
  });
}

function fixesOf(
  config: SourceConfig,
  parts: readonly RetriedFile[],
  { batch }: StandIn,
  createdMs: number,
): Fix[] {
  return parts.flatMap(({ before, landed }) =>
    landed.flatMap((item) =>
      fixOf(config, before, item, item.text).map((fix) => ({ ...fix, createdMs, batch })),
    ),
  );
}

function eventsOf(
  { before, landed, besides }: RetriedFile,
  { batch }: StandIn,
  timeMs: number,
): QuarantineEvent[] {
  const note = null;
  return [
    ...landed.map(({ id, text }): QuarantineEvent => {
      return { id, status: text === null ? "superseded" : "fixed", timeMs, batch, note };
    }),
    ...besides.map((position): QuarantineEvent => {
      const id = rowId(before.landsAs, before.file, position);
      return { id, status: "superseded", timeMs, batch, note };
    }),
  ];
}

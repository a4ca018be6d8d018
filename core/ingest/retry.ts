/** Quarantined rows read again, corrected or as they are, and landed in their own places. */

import { counted } from "../base/quantity.ts";
import type { RejectExample } from "../engine.ts";
import { BATCH_BYTES_MAX, BATCH_FILES_MAX } from "../limits.ts";
import { publish } from "../table/publish.ts";
import type { SourceConfig } from "./contract.ts";
import { currentContract, newContract } from "./current-contract.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { Fix, GoneFile, QuarantineEvent } from "./ledger.ts";
import { accountOf, NOTHING_CHANGED, redecodeJob, rowsOf } from "./originals.ts";
import { rowId, WHOLE_FILE } from "./quarantine.ts";
import { hasOriginal, type RedecodeJob, redecode } from "./redecode.ts";
import { nextStandIn, republish, type StandIn } from "./republish.ts";
import {
  goodFiles,
  type NotRetried,
  placeOf,
  type RetriedFile,
  type RetriedPart,
  type RetryItem,
  type RetryOptions,
  type RowsOfFile,
} from "./retry-item.ts";
import { fixOf, retryPlaces } from "./retry-places.ts";
import { retryTexts } from "./retry-text.ts";
import { isUndecodable } from "./row-text.ts";

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
  /** The first rows that do not fit still. */
  readonly still: readonly RejectExample[];
  /** Null where nothing was published: nothing landed, or it was a dry run. */
  readonly commit: bigint | null;
}

/** Rows told of that do not fit still. */
const STILL_MAX = 3;

/**
 * Lands the rows that can be read now. Their files are read again from their originals, together, so that each row
 * takes its place; corrections are kept under the row's id and count as long as this batch is in the lake. Rows of
 * files that were set aside whole are commits of their own, for what they teach.
 */
export async function retryRows(
  ports: LandingPorts,
  config: SourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
  options: RetryOptions,
): Promise<Retried> {
  const single = items.filter(({ position }) => position !== WHOLE_FILE);
  const whole = items.filter(({ position }) => position === WHOLE_FILE);
  const retried: Retried[] = [];
  for (const all of [single, whole]) {
    let rest: readonly RetryItem[] = all;
    while (rest.length > 0 && !options.signal.aborted) {
      const asked = rest;
      const attempt = () => retryOnce(ports, config, asked, budget, options);
      const { left, ...done } = await publish({
        what: config.into,
        hint: NOTHING_CHANGED,
        attempt,
      });
      retried.push(done);
      rest = left;
    }
  }
  return joinRetried(retried);
}

/** What parts of one retry come to. */
export function joinRetried(parts: readonly Retried[]): Retried {
  return {
    landed: parts.reduce((sum, one) => sum + one.landed, 0),
    failed: parts.flatMap(({ failed }) => failed),
    already: parts.flatMap(({ already }) => already),
    gone: parts.flatMap(({ gone }) => gone),
    besides: parts.reduce((sum, one) => sum + one.besides, 0),
    still: parts.flatMap(({ still }) => still).slice(0, STILL_MAX),
    commit: parts.reduce((last: bigint | null, { commit }) => commit ?? last, null),
  };
}

/** Why the rows of a file are in no table; `called` is what the file is called in it. */
export function whyGone(
  gone: readonly GoneFile[],
  { batch, file }: Pick<RetryItem, "batch" | "file">,
  called = file,
): string {
  const found = gone.find((one) => one.batch === batch && one.file === file);
  if (found === undefined) return `${called} is not in the ledger of its source`;
  if (found.how === "forgotten") return `${called} was forgotten in commit ${found.commit}`;
  if (found.how === "withdrawn") return `its batch was withdrawn in commit ${found.commit}`;
  return found.version === null
    ? `${called} has another name since commit ${found.commit}`
    : `version ${found.version} of ${called} stands in for it since commit ${found.commit}`;
}

/** `left` are files that are too many for one commit. */
async function retryOnce(
  ports: LandingPorts,
  config: SourceConfig,
  items: readonly RetryItem[],
  budget: EngineBudget,
  options: RetryOptions,
): Promise<(Retried & { readonly left: readonly RetryItem[] }) | null> {
  const { ledger } = ports.catalog;
  const events = await ledger.quarantineEvents(items.map(({ id }) => id));
  const closed = new Set(events.filter(({ status }) => status !== "open").map(({ id }) => id));
  const already = items.filter(({ id }) => closed.has(id)).map(({ id }) => id);
  const fresh = items.filter(({ id }) => !closed.has(id));
  const job = await redecodeJob(ports, config, budget);
  const { found: all, gone } = await filesOf(job, fresh);
  // Bytes that were no text may be by now: they are looked at each time.
  const isSettled = ({ file, items: own }: RowsOfFile): boolean =>
    options.settled?.has(placeOf(file)) === true && !own.some(isUndecodable);
  const found = all.filter((one) => !isSettled(one));
  const settled = all.filter(isSettled).flatMap(({ items: own }) => own);
  const isWhole = fresh.some(({ position }) => position === WHOLE_FILE);
  const [taken, left] = isWhole ? fitting(found) : [found, []];
  const kept = taken.filter(({ file }) => hasOriginal(file));
  const parts: RetriedPart[] = [];
  for (const one of taken) if (!hasOriginal(one.file)) parts.push(await retryTexts(job, one));
  if (kept.length > 0 && isWhole) parts.push(await retryWhole(job, kept));
  else if (kept.length > 0) parts.push(...(await retryPlaces(job, kept, options)));
  const files = parts.flatMap((part) => part.files);
  const failed: NotRetried[] = [
    ...files.flatMap((file) => file.failed),
    ...settled.map(({ id }) => ({ id, why: null })),
  ];
  const good = parts.filter((part) => goodFiles(part).length > 0);
  const landed = files.reduce((sum, file) => sum + file.landed.length, 0);
  const besides = files.reduce((sum, file) => sum + file.besides.length, 0);
  const still = parts.flatMap((part) => part.still).slice(0, STILL_MAX);
  const rest = { failed, already, gone, still, left: left.flatMap((one) => one.items) };
  if (options.dryRun || good.length === 0) return { ...rest, landed, besides, commit: null };
  if (options.signal.aborted) return { ...rest, landed: 0, besides: 0, commit: null };
  const commit = await publishRetry(job, good, landed);
  return commit === null ? null : { ...rest, landed, besides, commit };
}

/** The live files of the rows, and the rows that have none. */
async function filesOf(
  { ports, config }: RedecodeJob,
  items: readonly RetryItem[],
): Promise<{ readonly found: readonly RowsOfFile[]; readonly gone: readonly NotRetried[] }> {
  const { ledger } = ports.catalog;
  const names = items.map(({ file }) => file);
  const live = await ledger.files({ source: config.name, names, live: true });
  const byPlace = new Map(live.map((file) => [`${file.landsAs}\n${file.file}`, file]));
  const found: RowsOfFile[] = [];
  const lost: RetryItem[] = [];
  for (const [place, rows] of Map.groupBy(items, ({ batch, file }) => `${batch}\n${file}`)) {
    const file = byPlace.get(place);
    if (file === undefined) lost.push(...rows);
    else found.push({ file, items: rows });
  }
  const goneFiles = lost.length === 0 ? [] : await ledger.gone();
  return { found, gone: lost.map((row) => ({ id: row.id, why: whyGone(goneFiles, row) })) };
}

/** As many as a batch of a landing has, each name once; and the others. */
function fitting(
  all: readonly RowsOfFile[],
): readonly [readonly RowsOfFile[], readonly RowsOfFile[]] {
  const names = new Set<string>();
  let bytes = 0;
  const count = all.findIndex(({ file }) => {
    bytes += file.sizeBytes;
    const isFull = names.size > 0 && (bytes > BATCH_BYTES_MAX || names.size >= BATCH_FILES_MAX);
    if (isFull || names.has(file.file)) return true;
    names.add(file.file);
    return false;
  });
  return count < 0 ? [all, []] : [all.slice(0, count), all.slice(count)];
}

/** Files of which nothing landed are read as they would be if they were dropped now. */
async function retryWhole(job: RedecodeJob, all: readonly RowsOfFile[]): Promise<RetriedPart> {
  const { ports, config } = job;
  const { ledger } = ports.catalog;
  const contract = await currentContract(ports.catalog, config);
  const files = all.map(({ file }) => file);
  const batches = files.map(({ landsAs }) => landsAs);
  const fixes = await ledger.fixes(config.name, batches);
  const group = await redecode(job, { files, contract, source: config, fixes, asRecorded: false });
  const contractVersion = group.contract?.version ?? null;
  const { target } = group;
  return {
    files: all.map(({ file, items }): RetriedFile => {
      const after = accountOf({ ...file, contractVersion }, group);
      const isRead = after.outcome === "landed" && target !== null;
      const why = after.reason ?? "it cannot be read";
      return {
        before: file,
        after,
        landed: isRead ? items : [],
        failed: isRead ? [] : items.map(({ id }) => ({ id, why })),
        besides: [],
      };
    }),
    target: target ?? job.quarantine,
    staged: group.outputs.flatMap((output) => output.data.files),
    rejects: group.outputs.flatMap((output) => output.rejects?.files ?? []),
    isWhole: true,
    contract: newContract(await ledger.contract(config.name), group),
    still: [],
  };
}

async function publishRetry(
  job: RedecodeJob,
  parts: readonly RetriedPart[],
  landed: number,
): Promise<bigint | null> {
  const { ports, config, budget } = job;
  const [first] = parts;
  if (first === undefined) return null;
  const standIn = await nextStandIn(ports, config.name);
  const nowMs = ports.clock.nowMs();
  // Where values are taken out of rows before anything is kept, a corrected text is not kept either.
  const keepsTexts = Object.keys(config.beforeLanding).length === 0;
  const files = parts.flatMap(goodFiles);
  const whole = parts.filter(({ isWhole }) => isWhole).flatMap(goodFiles);
  return republish(ports, budget, {
    config,
    kind: "retry",
    message: `${counted(landed, "quarantined row")} of ${config.name} landed`,
    summary: { "tarn.batch-id": standIn.batch, "tarn.source-id": config.name },
    bronze: {
      target: first.target,
      leaving: whole.map(({ before }) => rowsOf(before)),
      staged: parts.flatMap(({ staged }) => staged),
    },
    aside: {
      target: job.quarantine,
      leaving: [],
      staged: parts.flatMap(({ rejects }) => rejects),
    },
    standIn,
    files: files.map(({ after }) => ({ ...after, batch: standIn.batch })),
    replaces: files.map(({ before }) => before),
    contract: parts.find(({ contract }) => contract !== null)?.contract ?? null,
    fixes: keepsTexts ? fixesOf(job, files, standIn, nowMs) : [],
    events: files.flatMap((file) => eventsOf(file, standIn, nowMs)),
  });
}

function fixesOf(
  { config }: RedecodeJob,
  files: readonly RetriedFile[],
  { batch }: StandIn,
  createdMs: number,
): Fix[] {
  return files.flatMap(({ before, landed }) =>
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

/** The accounts of a batch: every row that came in is landed, quarantined or a duplicate. */

import { assert } from "../base/assert.ts";
import type { DecodedFile, TextEnd } from "../engine.ts";
import { RAW_TEXT_CHARS_MAX } from "../limits.ts";
import type { Row } from "../ports.ts";
import type { DecodedGroup } from "./decode-group.ts";
import type { LedgerBatch, LedgerFile, Reading } from "./ledger.ts";
import { rowId, WHOLE_FILE } from "./quarantine.ts";
import type { Decision, Part, Refusal } from "./source.ts";

/** Everything about a part of a batch that is fixed before it is decoded. */
export interface LandingPlan extends Part {
  readonly batch: string;
  readonly previous: string | null;
  readonly ingestedAtMs: number;
  readonly startedMs: number;
}

export interface WholeFileBatch {
  readonly source: string;
  readonly batch: string;
  /** The batch's instant. */
  readonly atMs: number;
}

/** One row per file, in the quarantine schema. */
export function wholeFileRows(
  batch: WholeFileBatch,
  group: Pick<DecodedGroup, "setAside">,
  refused: readonly { readonly file: string; readonly reason: string }[],
): Row[] {
  const row = (file: string, sha256: string | null, reason: string, message: string): Row => ({
    id: rowId(batch.batch, file, WHOLE_FILE),
    source: batch.source,
    file,
    position: WHOLE_FILE,
    line: null,
    column_name: null,
    reason,
    message: message.slice(0, RAW_TEXT_CHARS_MAX),
    raw: null,
    file_sha256: sha256,
    _batch: batch.batch,
    _ingested_at: BigInt(batch.atMs) * 1000n,
  });
  return [
    ...group.setAside.map(({ file, reason, message }) =>
      row(file.name, file.sha256, reason, message),
    ),
    ...refused.map((refusal) => row(refusal.file, null, "unreadable", refusal.reason)),
  ];
}

/** What became of each claim of the part. The ledger equation holds for each, or this asserts. */
export function ledgerFiles(plan: LandingPlan, group: DecodedGroup): LedgerFile[] {
  const decodedByName = new Map(group.files.map((file) => [file.name, file]));
  const nothingRead = { reading: null };
  const asideByName = new Map(group.setAside.map((aside) => [aside.file.name, aside]));
  const landed = plan.decisions.map((decision): LedgerFile => {
    const base = ledgerBase(plan, decision);
    if (decision.kind === "duplicate") {
      const what = decision.isBeginning === true ? "the beginning of" : "same bytes as";
      const reason = `${what} ${decision.first}`;
      const counts = { rowsIn: 1, rowsLanded: 0, rowsQuarantined: 0, rowsDuplicate: 1 };
      return {
        ...base,
        outcome: "duplicate",
        reason,
        ...counts,
        contractVersion: null,
        ...nothingRead,
      };
    }
    const version = group.contract?.version ?? null;
    const aside = asideByName.get(decision.claim.file);
    if (aside !== undefined) {
      const counts = { rowsIn: 1, rowsLanded: 0, rowsQuarantined: 1, rowsDuplicate: 0 };
      const reason = `${aside.reason}: ${aside.message}`;
      const how = { contractVersion: version, ...nothingRead };
      return { ...base, outcome: "quarantined", reason, ...counts, ...how };
    }
    const decoded = decodedByName.get(decision.claim.file);
    const rowsIn = decoded?.rowsIn ?? 0;
    const rowsLanded = decoded?.rowsLanded ?? 0;
    const rowsQuarantined = decoded?.rowsQuarantined ?? 0;
    // The ledger equation, before anything is published. DESIGN, decision 7.
    assert(rowsIn === rowsLanded + rowsQuarantined, `rows of ${decision.claim.file} add up`);
    const counts = { rowsIn, rowsLanded, rowsQuarantined, rowsDuplicate: 0 };
    const reason = decoded?.unread ?? null;
    const how = { contractVersion: version, reading: readingOf(decoded) };
    // A packed text is found by how it begins, unpacked.
    const head = decoded?.end?.head ?? base.head ?? null;
    return { ...base, head, outcome: "landed", reason, ...counts, ...how };
  });
  return [...landed, ...plan.refused.map((refusal) => refusedFile(plan, refusal))];
}

/** A text whose open record is read again with what came behind it. */
export interface Reopened {
  readonly file: LedgerFile;
  /** What was open; null where nothing is left of it. */
  readonly end: TextEnd | null;
}

/** The texts that files of the plan go on with, and that were open; those that are set aside go on with none. */
export function reopenedFiles(plan: LandingPlan, group: DecodedGroup): Reopened[] {
  const aside = new Set(group.setAside.map(({ file }) => file.name));
  const found = new Map<string, Reopened>();
  for (const decision of plan.decisions) {
    if (decision.kind !== "land" || decision.reopens === undefined) continue;
    const file = decision.reopens;
    if (aside.has(decision.claim.file)) continue;
    const isWhole = decision.fromByte <= file.fromByte && file.rowsLanded === 0;
    const end = isWhole ? null : (file.reading?.end ?? null);
    found.set(`${file.batch}\n${file.file}`, { file, end });
  }
  return [...found.values()];
}

/** What is left of a text in the ledger: all before the record that is read again. */
export function shortened(plan: LandingPlan, { file, end }: Reopened): LedgerFile[] {
  if (end === null) return [];
  const { dialect = null, columns = null } = file.reading ?? {};
  const left = {
    rowsIn: file.rowsIn - end.rows - end.aside,
    rowsLanded: file.rowsLanded - end.rows,
    rowsQuarantined: file.rowsQuarantined - end.aside,
  };
  const read = { dialect, columns, end: { ...end, rows: 0, aside: 0 }, toByte: end.byte };
  return [{ ...file, batch: plan.batch, ...left, reading: read }];
}

/** How a file was read; null where it was not. */
export function readingOf(decoded: DecodedFile | undefined): Reading | null {
  if (decoded === undefined || decoded.dialect === null) return null;
  return { dialect: decoded.dialect, columns: null, end: decoded.end ?? null };
}

function ledgerBase(
  plan: LandingPlan,
  decision: Decision,
): Pick<
  LedgerFile,
  | "batch"
  | "source"
  | "file"
  | "version"
  | "sha256"
  | "sizeBytes"
  | "modifiedMs"
  | "inode"
  | "changedNs"
  | "head"
  | "original"
  | "fromByte"
  | "landsAs"
> {
  const { claim } = decision;
  return {
    batch: plan.batch,
    source: plan.config.name,
    file: claim.file,
    version: decision.version,
    sha256: claim.sha256,
    sizeBytes: claim.sizeBytes,
    modifiedMs: claim.modifiedMs,
    inode: claim.inode,
    changedNs: claim.changedNs ?? null,
    head: claim.head ?? null,
    original: claim.original,
    fromByte: decision.kind === "land" ? decision.fromByte : 0,
    landsAs: plan.batch,
  };
}

function refusedFile(plan: LandingPlan, refusal: Refusal): LedgerFile {
  return {
    batch: plan.batch,
    source: plan.config.name,
    file: refusal.file,
    version: 1,
    sha256: "",
    sizeBytes: refusal.sizeBytes,
    modifiedMs: refusal.modifiedMs,
    inode: refusal.inode,
    changedNs: refusal.changedNs ?? null,
    original: null,
    fromByte: 0,
    outcome: "quarantined",
    reason: refusal.reason,
    rowsIn: 1,
    rowsLanded: 0,
    rowsQuarantined: 1,
    rowsDuplicate: 0,
    contractVersion: null,
    landsAs: plan.batch,
    reading: null,
  };
}

/** The sums over a batch's files. */
export function batchRecord(
  plan: Pick<LandingPlan, "batch" | "config" | "startedMs">,
  files: readonly LedgerFile[],
): LedgerBatch {
  const sum = (pick: (file: LedgerFile) => number): number =>
    files.reduce((total, file) => total + pick(file), 0);
  return {
    batch: plan.batch,
    source: plan.config.name,
    table: plan.config.into,
    startedMs: plan.startedMs,
    commit: null,
    withdrawnBy: null,
    rowsIn: sum((file) => file.rowsIn),
    rowsLanded: sum((file) => file.rowsLanded),
    rowsQuarantined: sum((file) => file.rowsQuarantined),
    rowsDuplicate: sum((file) => file.rowsDuplicate),
  };
}

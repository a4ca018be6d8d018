/** What becomes of each claimed file, from its bytes and from what the ledger already holds. */

import type { FileSourceConfig } from "./contract.ts";
import type { Holder, KnownFile, Ledger } from "./ledger.ts";
import type { Batch, Claim, Source } from "./source.ts";

/** A claim with its place in the history of its name. */
export type Decision =
  | {
      readonly kind: "land";
      readonly claim: Claim;
      readonly version: number;
      readonly fromByte: number;
      /** Lines from `fromByte` on. */
      readonly newlines: number;
      /** Bytes of an earlier version are not a prefix of these: worth a warning. */
      readonly changed: boolean;
    }
  | {
      readonly kind: "duplicate";
      readonly claim: Claim;
      readonly version: number;
      readonly first: string;
      readonly firstRows: number;
    };

/**
 * True for a copy that was skipped while the file that it is a copy of held its rows, and holds them no longer
 * (`same_name: replace`). What was withdrawn does not come back by its copies.
 */
export async function isDueAgain(
  ledger: Ledger,
  config: FileSourceConfig,
  known: KnownFile,
): Promise<boolean> {
  if (!isCopy(config, known)) return false;
  const holders = await ledger.holders(config.name, known.sha256);
  return holders.length > 0 && holders.every((holder) => holder.replaced);
}

/** True for a file without rows of its own, whose bytes may be due when another file is replaced. */
export function isCopy(config: FileSourceConfig, known: KnownFile): boolean {
  return config.sameName === "replace" && known.outcome === "duplicate";
}

/** Decides every claim of a batch, in order; two equal files in one batch are one and a duplicate. */
export async function decideClaims(
  ledger: Ledger,
  config: FileSourceConfig,
  source: Source,
  batch: Batch,
): Promise<Decision[]> {
  const known = await ledger.known(
    config.name,
    batch.claims.map((claim) => claim.file),
  );
  const firstBySha = new Map<string, { file: string }>();
  const decisions: Decision[] = [];
  for (const claim of batch.claims) {
    const before = known.get(claim.file) ?? null;
    const first = await firstWithBytes(ledger, config, batch, claim, before, firstBySha);
    firstBySha.set(claim.sha256, firstBySha.get(claim.sha256) ?? { file: claim.file });
    const version = (before?.version ?? 0) + 1;
    if (first !== null) {
      decisions.push({ kind: "duplicate", claim, version, first, firstRows: 0 });
      continue;
    }
    decisions.push(await decideContent(config, source, claim, before));
  }
  return decisions;
}

async function firstWithBytes(
  ledger: Ledger,
  config: FileSourceConfig,
  batch: Batch,
  claim: Claim,
  before: KnownFile | null,
  firstBySha: ReadonlyMap<string, { file: string }>,
): Promise<string | null> {
  // The same bytes under the same name were touched, not changed: never landed twice.
  const isTouched = before !== null && before.sha256 === claim.sha256;
  if (isTouched && !(await isDueAgain(ledger, config, before))) return claim.file;
  if (!isTouched && (await hasRows(ledger, config, before))) return null;
  if (config.sameBytes === "land") return null;
  const inBatch = firstBySha.get(claim.sha256);
  if (inBatch !== undefined) return inBatch.file;
  const holders = await ledger.holders(config.name, claim.sha256);
  return holders.find((holder) => stands(config, batch, claim, holder))?.file ?? null;
}

/** True when rows of the name's earlier bytes leave: its new ones stand in for them, whoever else holds those. */
async function hasRows(
  ledger: Ledger,
  config: FileSourceConfig,
  before: KnownFile | null,
): Promise<boolean> {
  if (config.sameName !== "replace" || before === null) return false;
  if (!isCopy(config, before)) return true;
  // It was touched once, and is recorded as a copy of itself.
  const holders = await ledger.holders(config.name, before.sha256);
  return holders.some((holder) => holder.file === before.file && !holder.replaced);
}

/** True when the rows that these bytes landed as are in the table, and stay when the batch has landed. */
function stands(config: FileSourceConfig, batch: Batch, claim: Claim, holder: Holder): boolean {
  if (config.sameName !== "replace") return true;
  const replacing = batch.claims.find((other) => other.file === holder.file);
  return !holder.replaced && (replacing === undefined || replacing.sha256 === claim.sha256);
}

async function decideContent(
  config: FileSourceConfig,
  source: Source,
  claim: Claim,
  before: KnownFile | null,
): Promise<Decision> {
  const whole = { kind: "land", claim, fromByte: 0, newlines: claim.newlines } as const;
  if (before === null) return { ...whole, version: 1, changed: false };
  const version = before.version + 1;
  if (config.sameName === "replace") return { ...whole, version, changed: false };
  if (mayHaveGrown(before, claim) && isLineText(config, claim)) {
    const prefix = await source.prefix(claim, before.sizeBytes);
    // A last line that was cut has another value now: that is a changed file, not a grown one.
    if (prefix.sha256 === before.sha256 && prefix.lineEnd !== null) {
      const newlines = claim.newlines - prefix.newlines - (prefix.lineEnd === 0 ? 0 : 1);
      const fromByte = before.sizeBytes + prefix.lineEnd;
      return { kind: "land", claim, version, fromByte, newlines, changed: false };
    }
  }
  return { ...whole, version, changed: true };
}

/** Of a version that was set aside whole no row is in the table: its tail alone would lose the others. */
function mayHaveGrown(before: KnownFile, claim: Claim): boolean {
  const hasRows = before.outcome !== "quarantined";
  return hasRows && before.sizeBytes > 0 && claim.sizeBytes > before.sizeBytes;
}

/** Only plain line-based text can be landed by its tail. */
function isLineText(config: FileSourceConfig, claim: Claim): boolean {
  if (
    config.read.format !== null &&
    config.read.format !== "csv" &&
    config.read.format !== "json"
  ) {
    return false;
  }
  return /\.(csv|tsv|txt|json|jsonl|ndjson|log)$/i.test(claim.file);
}

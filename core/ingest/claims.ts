/** What becomes of each claimed file, from its bytes and from what the ledger already holds. */

import type { FileSourceConfig } from "./contract.ts";
import type { KnownFile, Ledger } from "./ledger.ts";
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
      /** The rows of earlier versions leave the table (`same_name: replace`). */
      readonly replaces: boolean;
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
  if (before !== null && before.sha256 === claim.sha256) return claim.file;
  if (config.sameBytes === "land") return null;
  const inBatch = firstBySha.get(claim.sha256);
  if (inBatch !== undefined) return inBatch.file;
  const first = await ledger.bySha256(config.name, claim.sha256);
  if (first === null) return null;
  const now = await currentBytes(ledger, config, batch, first);
  return now === claim.sha256 ? first.file : null;
}

/** What a landed file's rows in the table were made of: with `same_name: replace` only its latest bytes. */
async function currentBytes(
  ledger: Ledger,
  config: FileSourceConfig,
  batch: Batch,
  file: KnownFile,
): Promise<string> {
  if (config.sameName !== "replace") return file.sha256;
  const replacing = batch.claims.find((claim) => claim.file === file.file);
  if (replacing !== undefined) return replacing.sha256;
  return (await ledger.known(config.name, [file.file])).get(file.file)?.sha256 ?? file.sha256;
}

async function decideContent(
  config: FileSourceConfig,
  source: Source,
  claim: Claim,
  before: KnownFile | null,
): Promise<Decision> {
  const whole = { kind: "land", claim, fromByte: 0, newlines: claim.newlines } as const;
  if (before === null) return { ...whole, version: 1, replaces: false, changed: false };
  const version = before.version + 1;
  if (config.sameName === "replace") return { ...whole, version, replaces: true, changed: false };
  if (mayHaveGrown(before, claim) && isLineText(config, claim)) {
    const prefix = await source.prefix(claim, before.sizeBytes);
    // A last line that was cut has another value now: that is a changed file, not a grown one.
    if (prefix.sha256 === before.sha256 && prefix.wholeLines) {
      const newlines = claim.newlines - prefix.newlines;
      const fromByte = before.sizeBytes;
      return { kind: "land", claim, version, fromByte, newlines, replaces: false, changed: false };
    }
  }
  return { ...whole, version, replaces: false, changed: true };
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

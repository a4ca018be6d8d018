/** What becomes of each claimed file, from its bytes and from what the ledger already holds. */

import type { TextEnd } from "../engine.ts";
import type { FileSourceConfig } from "./contract.ts";
import type { Holder, KnownFile, Ledger, LedgerFile } from "./ledger.ts";
import { type Batch, type Claim, HEAD_BYTES, type Prefix, type Source } from "./source.ts";

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
      /** The text that it goes on with, whose last record was open: what stood there is read again. */
      readonly reopens?: LedgerFile;
    }
  | {
      readonly kind: "duplicate";
      readonly claim: Claim;
      readonly version: number;
      readonly first: string;
      readonly firstRows: number;
    };

/**
 * True for a copy that was skipped and may land by now: the file that it is a copy of holds its rows no longer
 * (`same_name: replace`; what was withdrawn does not come back by its copies), or equal bytes are to land.
 */
export async function isDueAgain(
  ledger: Ledger,
  config: FileSourceConfig,
  known: KnownFile,
): Promise<boolean> {
  if (known.outcome !== "duplicate") return false;
  const lands = config.sameBytes === "land";
  if (!lands && !isCopy(config, known)) return false;
  const holders = await ledger.holders(config.name, known.sha256);
  // One that holds them itself was touched, and is recorded as a copy of itself.
  if (lands && !holders.some((holder) => holder.file === known.file)) return holders.length > 0;
  return isCopy(config, known) && holders.length > 0 && holders.every((holder) => holder.replaced);
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
  const known = await ledger.latest(
    config.name,
    batch.claims.map((claim) => claim.file),
  );
  const past = new Past(ledger, config, source);
  const firstByBytes = new Map<string, { file: string }>();
  const decisions: Decision[] = [];
  for (const claim of batch.claims) {
    const before = known.get(claim.file) ?? null;
    const key = `${claim.sha256} ${partitionOf(claim.file)}`;
    const inBatch = firstByBytes.get(key)?.file ?? null;
    const first = await firstWithBytes(ledger, config, batch, { claim, before, inBatch });
    firstByBytes.set(key, firstByBytes.get(key) ?? { file: claim.file });
    const version = (before?.version ?? 0) + 1;
    if (first !== null) {
      decisions.push({ kind: "duplicate", claim, version, first, firstRows: 0 });
      continue;
    }
    decisions.push(await decideContent(config, past, claim, before));
  }
  return decisions;
}

interface Asked {
  readonly claim: Claim;
  readonly before: LedgerFile | null;
  /** The file of the batch that has these bytes and comes first. */
  readonly inBatch: string | null;
}

async function firstWithBytes(
  ledger: Ledger,
  config: FileSourceConfig,
  batch: Batch,
  { claim, before, inBatch }: Asked,
): Promise<string | null> {
  // The same bytes under the same name were touched, not changed: never landed twice.
  const isTouched = before !== null && before.sha256 === claim.sha256;
  if (isTouched && !(await isDueAgain(ledger, config, before))) return claim.file;
  if (!isTouched && (await hasRows(ledger, config, before))) return null;
  if (config.sameBytes === "land") return null;
  if (inBatch !== null) return inBatch;
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
  // The path says something that the bytes do not.
  if (partitionOf(holder.file) !== partitionOf(claim.file)) return false;
  if (config.sameName !== "replace") return true;
  const replacing = batch.claims.find((other) => other.file === holder.file);
  return !holder.replaced && (replacing === undefined || replacing.sha256 === claim.sha256);
}

/** The folders `key=value` of a path: what a file in them holds is another fact than the same bytes elsewhere. */
export function partitionOf(file: string): string {
  const folders = file.split("/").slice(0, -1);
  return folders.filter((folder) => /^[^=]+=/.test(folder)).join("/");
}

async function decideContent(
  config: FileSourceConfig,
  past: Past,
  claim: Claim,
  before: LedgerFile | null,
): Promise<Decision> {
  const version = (before?.version ?? 0) + 1;
  const whole = { kind: "land", claim, version, fromByte: 0, newlines: claim.newlines } as const;
  if (config.sameName === "replace") return { ...whole, changed: false };
  const found = await past.goesOn(claim, before);
  if (found === null) {
    const changed = before !== null && before.sha256 !== claim.sha256;
    return { ...whole, changed };
  }
  const { file, prefix } = found;
  // A packed copy of what landed, as logs are rotated.
  if (prefix.around.length === 1) {
    return { kind: "duplicate", claim, version, first: file.file, firstRows: 0 };
  }
  const from = continuation(file, prefix);
  const end = file.reading?.end ?? null;
  const lines = from.reopens ? (end?.lines ?? 1) - 1 : 0;
  const ended = from.byte > (end?.size ?? file.sizeBytes) ? 1 : 0;
  const skipped = from.byte === 0 ? 0 : prefix.newlines - lines + ended;
  const newlines = Math.max(0, claim.newlines - skipped);
  const tail = { ...whole, changed: false, newlines, fromByte: from.byte };
  return from.reopens ? { ...tail, reopens: file } : tail;
}

/** Where a text is read on, and whether its open record is read again. Only of what `Past` found. */
function continuation(file: LedgerFile, prefix: Prefix): { byte: number; reopens: boolean } {
  if (isNothing(file)) return { byte: 0, reopens: true };
  const end = file.reading?.end ?? null;
  if (end === null) {
    return { byte: file.sizeBytes + (lineEnd(prefix.around, 1) ?? 0), reopens: false };
  }
  const isAligned = end.size % end.unit === 0;
  const next = isAligned ? lineEnd(prefix.around, end.unit) : null;
  const ended = end.byte === end.size ? 0 : next;
  if (ended !== null && !end.isQuoted) return { byte: end.size + ended, reopens: false };
  return { byte: end.byte, reopens: true };
}

/** Bytes of the line end behind the first byte: 0 where that is one; null where the line goes on. */
function lineEnd([last, ...next]: Uint8Array, unit: TextEnd["unit"]): number | null {
  const [first, second, third, fourth] = next;
  if (unit === 1) {
    if (last === LF) return 0;
    if (first === LF) return 1;
    return first === CR && second === LF ? 2 : null;
  }
  const isBreak = (high: number | undefined, low: number | undefined, code: number): boolean =>
    (high === code && low === 0) || (high === 0 && low === code);
  if (isBreak(first, second, LF)) return 2;
  return isBreak(first, second, CR) && isBreak(third, fourth, LF) ? 4 : null;
}

const LF = 10;
const CR = 13;

/** What landed of a source, asked for the text that a claim goes on with: by its bytes, whatever it is called now. */
class Past {
  readonly #ledger: Ledger;
  readonly #config: FileSourceConfig;
  readonly #source: Source;
  #shortSizes: readonly number[] | null = null;

  constructor(ledger: Ledger, config: FileSourceConfig, source: Source) {
    this.#ledger = ledger;
    this.#config = config;
    this.#source = source;
  }

  /** The longest landed text whose bytes are the first of the claim's; null where there is none. */
  async goesOn(
    claim: Claim,
    before: LedgerFile | null,
  ): Promise<{ readonly file: LedgerFile; readonly prefix: Prefix } | null> {
    if (claim.sizeBytes === 0) return null;
    if (before !== null && this.#mayHaveGrown(claim, before)) {
      const found = await this.#longest(claim, [before]);
      if (found !== null) return found;
    }
    // Who wants equal bytes twice wants them as part of others, too.
    if (this.#config.sameBytes === "land") return null;
    return this.#longest(claim, await this.#candidates(claim));
  }

  async #longest(claim: Claim, files: readonly LedgerFile[]) {
    if (files.length === 0) return null;
    const prefixes = await this.#source.prefixes(
      claim,
      files.map((file) => file.sizeBytes),
    );
    const [longest] = files
      .filter((file) => prefixes.get(file.sizeBytes)?.sha256 === file.sha256)
      .sort((a, b) => b.sizeBytes - a.sizeBytes);
    const prefix = longest === undefined ? undefined : prefixes.get(longest.sizeBytes);
    if (longest === undefined || prefix === undefined) return null;
    const isKnown = isNothing(longest) || (longest.reading?.end ?? null) !== null;
    return isKnown || lineEnd(prefix.around, 1) !== null ? { file: longest, prefix } : null;
  }

  /** Texts of the source that begin as the claim does, in the same folders `key=value`. */
  async #candidates(claim: Claim): Promise<LedgerFile[]> {
    const { name } = this.#config;
    this.#shortSizes ??= await this.#ledger.shortSizes(name);
    // A packed claim is longer than it looks, and begins otherwise.
    const isPacked = PACKED.test(claim.file);
    const isRead = isPacked || claim.head === undefined;
    const sizes = isRead ? [...this.#shortSizes, HEAD_BYTES] : this.#shortSizes;
    const prefixes = await this.#source.prefixes(claim, sizes);
    const heads = [...prefixes.values()].map((prefix) => prefix.sha256);
    if (!isRead && claim.head !== undefined) heads.push(claim.head);
    if (heads.length === 0) return [];
    const sizeMax = isPacked ? Number.MAX_SAFE_INTEGER : claim.sizeBytes;
    const found = await this.#ledger.withHead(name, heads, sizeMax);
    const partition = partitionOf(claim.file);
    return found.filter(
      (file) => (isPlainText(file) || isNothing(file)) && partitionOf(file.file) === partition,
    );
  }

  /** Of a version that was set aside whole no row is in the table: its tail alone would lose the others. */
  #mayHaveGrown(claim: Claim, before: LedgerFile): boolean {
    const isLines = before.reading === null ? LINES.test(claim.file) : isPlainText(before);
    const isText = isLines || isNothing(before);
    const isLanded = before.outcome === "landed" && before.sizeBytes > 0;
    return isText && isLanded && claim.sizeBytes > before.sizeBytes;
  }
}

/** Nothing of it landed: a part of a header, or of its first line. */
function isNothing(file: LedgerFile): boolean {
  return file.outcome === "landed" && file.fromByte === 0 && file.rowsLanded === 0;
}

/** A text of lines, as it lay in the drops. */
function isPlainText({ reading }: LedgerFile): boolean {
  return (reading?.end ?? null) !== null && reading?.dialect?.compression === "none";
}

/** By its name, what landed before it was kept how far a text is finished. */
const LINES = /\.(csv|tsv|txt|json|jsonl|ndjson|log)$/i;
const PACKED = /\.(gz|gzip|zst|zstd)$/i;

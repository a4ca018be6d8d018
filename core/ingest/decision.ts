/** What becomes of each claimed file, from its bytes and from what the ledger already holds. */

import type { TextEnd } from "../engine.ts";
import { HEAD_BYTES } from "../limits.ts";
import { isSeedTable } from "../table/name.ts";
import type { FileSourceConfig } from "./contract.ts";
import { partitionOf } from "./folders.ts";
import type { Holder, KnownFile, Ledger, LedgerFile } from "./ledger.ts";
import type { Claim, Decision } from "./source.ts";

/** The first bytes of a claim's text. */
export interface Prefix {
  readonly sha256: string;
  readonly newlines: number;
  /** The last byte of them and up to four that follow. */
  readonly around: Uint8Array;
}

/** The first bytes of a text, unpacked; all of them where it has no more. */
export interface Beginning {
  readonly size: number;
  readonly sha256: string;
}

/** Answers what the first bytes of claims are. */
export interface Prefixes {
  /** How a claim or what landed begins, at most so many bytes of it; null where no copy of it is kept. */
  beginning(text: Claim | LedgerFile, sizeMax: number): Promise<Beginning | null>;
  /**
   * What the first bytes of a claim are, by how many; packed text counts as it is unpacked. Sizes that it does not have
   * are left out.
   */
  prefixes(claim: Claim, sizes: readonly number[]): Promise<ReadonlyMap<number, Prefix>>;
}

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

/** What is decided of the claims of one batch. */
export interface Decided {
  readonly decisions: readonly Decision[];
  /** Claims that go on with another one of the batch: what it landed as is known when that is in the ledger. */
  readonly later: readonly Claim[];
}

/** Decides every claim of a batch, in order; two equal files in one batch are one and a duplicate. */
export async function decideClaims(
  ledger: Ledger,
  config: FileSourceConfig,
  prefixes: Prefixes,
  claims: readonly Claim[],
): Promise<Decided> {
  const known = await ledger.latest(
    config.name,
    claims.map((claim) => claim.file),
  );
  const past = new Past(ledger, config, prefixes);
  const isAnew = await isDroppedSeed(ledger, config);
  const basesByClaim = await goingOn(config, prefixes, claims);
  const movedByClaim = await moved(ledger, config, prefixes, claims);
  const firstByBytes = new Map<string, { file: string }>();
  const decided = new Map<Claim, Decision>();
  // Those that others go on with are decided before them.
  const inOrder = [
    ...claims.filter((claim) => !basesByClaim.has(claim)),
    ...[...basesByClaim.keys()].sort((a, b) => a.sizeBytes - b.sizeBytes),
  ];
  for (const claim of inOrder) {
    // A copy of what landed before brings nothing that a later batch would know more of.
    const bases = basesByClaim.get(claim) ?? [];
    if (bases.some((base) => decided.get(base)?.kind !== "duplicate")) continue;
    const last = known.get(claim.file) ?? null;
    // What was forgotten counts no more, but for the number of the next one.
    const before = last?.forgotten === true || isAnew ? null : last;
    const key = `${claim.sha256} ${partitionOf(claim.file)}`;
    const inBatch = firstByBytes.get(key)?.file ?? null;
    const wasAside = movedByClaim.get(claim) ?? [];
    const asked = { claim, before, inBatch, wasAside };
    const first = await firstWithBytes(ledger, config, claims, asked);
    firstByBytes.set(key, firstByBytes.get(key) ?? { file: claim.file });
    const version = (last?.version ?? 0) + 1;
    const duplicate = { kind: "duplicate", claim, version } as const;
    const decision =
      first === null
        ? await decideContent(config, past, { claim, before, version })
        : { ...duplicate, first };
    const isMoved = decision.kind === "land" && wasAside.length > 0;
    decided.set(claim, isMoved ? { ...decision, wasAside } : decision);
  }
  const decisions: Decision[] = [];
  for (const claim of claims) {
    const decision = decided.get(claim);
    if (decision === undefined) continue;
    const isOther = decision.kind === "land" && decision.changed;
    const isRotated = isOther && (await hasRotations(ledger, config, claims, claim.file));
    decisions.push(isRotated ? { ...decision, changed: false } : decision);
  }
  return { decisions, later: claims.filter((claim) => !decided.has(claim)) };
}

/** A seed whose table was dropped: its file is there again, and so is what it holds. */
async function isDroppedSeed(ledger: Ledger, { name, into }: FileSourceConfig): Promise<boolean> {
  if (!isSeedTable(into)) return false;
  const batches = await ledger.batches({ source: name });
  return batches.length > 0 && batches.every(({ withdrawnBy }) => withdrawnBy !== null);
}

/** What rotated logs are called behind the name of the log, by logrotate and the loggers of most languages. */
const ROTATIONS = [".0", ".1", ".2", ".1.gz", ".2.gz", ".1.zst"];
/** The same where the number stands before the ending, `app.1.log`. */
const NUMBERS = [".0", ".1", ".2"];
const PACKINGS = ["", ".gz", ".zst"];

/** A log that began anew has its earlier content beside it: it is no other version of that. */
async function hasRotations(
  ledger: Ledger,
  { name }: FileSourceConfig,
  claims: readonly Claim[],
  file: string,
): Promise<boolean> {
  const dot = file.lastIndexOf(".");
  const isDotted = dot > file.lastIndexOf("/");
  const [stem, ending] = isDotted ? [file.slice(0, dot), file.slice(dot)] : [file, ""];
  const isOf = (other: string): boolean =>
    (other.startsWith(file) && /^[.-]\d/.test(other.slice(file.length))) ||
    (other.startsWith(stem) && /^\.\d{1,3}\./.test(other.slice(stem.length)));
  if (claims.some((claim) => isOf(claim.file))) return true;
  const numbered = NUMBERS.flatMap((nth) => PACKINGS.map((by) => `${stem}${nth}${ending}${by}`));
  const names = [...ROTATIONS.map((nth) => `${file}${nth}`), ...numbered];
  return (await ledger.latest(name, names)).size > 0;
}

/** What was set aside whole and has another name now. */
async function moved(
  ledger: Ledger,
  { name }: FileSourceConfig,
  prefixes: Prefixes,
  claims: readonly Claim[],
): Promise<ReadonlyMap<Claim, readonly LedgerFile[]>> {
  const aside = await ledger.setAside(name);
  if (aside.length === 0) return new Map();
  const { movedAside } = await import("./moved-aside.ts");
  return await movedAside(aside, prefixes, claims);
}

/**
 * Texts of a batch that begin as others of them do, whole, each with those: copies of one log, cut at different times.
 */
async function goingOn(
  config: FileSourceConfig,
  prefixes: Prefixes,
  claims: readonly Claim[],
): Promise<ReadonlyMap<Claim, readonly Claim[]>> {
  // Who wants equal bytes twice wants them as part of others, too.
  if (config.sameName === "replace" || config.sameBytes === "land") return new Map();
  const texts = claims.filter(({ sizeBytes }) => sizeBytes > 0);
  const plain = texts.filter(({ file }) => !PACKED.test(file));
  const packed = texts.filter(({ file }) => PACKED.test(file));
  const found = goingOnWithShort(plain);
  const long = Map.groupBy(
    plain.filter(({ sizeBytes }) => sizeBytes >= HEAD_BYTES),
    ({ head = "" }) => head,
  );
  for (const group of long.values()) {
    const sorted = group.toSorted((a, b) => a.sizeBytes - b.sizeBytes);
    for (const [index, claim] of sorted.entries()) {
      const nearest = sorted.slice(Math.max(0, index - COMPARED_MAX), index);
      const bases = await basesOf(prefixes, claim, nearest);
      if (bases.length > 0) found.set(claim, [...(found.get(claim) ?? []), ...bases]);
    }
  }
  for (const claim of plain.length === 0 ? [] : packed) {
    const bases = await unpacksAs(prefixes, claim, plain);
    if (bases.length > 0) found.set(claim, bases);
    for (const longer of await goingOnWithPacked(prefixes, claim, plain)) {
      found.set(longer, [...(found.get(longer) ?? []), claim]);
    }
  }
  return found;
}

/** Those of shorter texts that a text begins with. */
async function basesOf(
  prefixes: Prefixes,
  claim: Claim,
  others: readonly Claim[],
): Promise<Claim[]> {
  const shorter = others.filter(
    ({ sizeBytes, file }) =>
      sizeBytes < claim.sizeBytes && partitionOf(file) === partitionOf(claim.file),
  );
  if (shorter.length === 0) return [];
  const sizes = shorter.map(({ sizeBytes }) => sizeBytes);
  const found = await prefixes.prefixes(claim, sizes);
  return shorter.filter(({ sizeBytes, sha256 }) => found.get(sizeBytes)?.sha256 === sha256);
}

/** Those that a packed text begins as: by their first bytes, or by all where they have no more. */
async function unpacksAs(
  prefixes: Prefixes,
  claim: Claim,
  plain: readonly Claim[],
): Promise<Claim[]> {
  const short = plain.filter(({ sizeBytes }) => sizeBytes < HEAD_BYTES).slice(0, COMPARED_MAX);
  const sizes = [HEAD_BYTES, ...short.map(({ sizeBytes }) => sizeBytes)];
  const found = await prefixes.prefixes(claim, sizes);
  const head = found.get(HEAD_BYTES)?.sha256;
  return [
    ...short.filter(({ sizeBytes, sha256 }) => found.get(sizeBytes)?.sha256 === sha256),
    ...plain.filter((other) => other.sizeBytes >= HEAD_BYTES && other.head === head),
  ];
}

/** Longer texts that begin with all that a packed one holds, where that is less than what texts are found by. */
async function goingOnWithPacked(
  prefixes: Prefixes,
  packed: Claim,
  plain: readonly Claim[],
): Promise<Claim[]> {
  const all = await prefixes.beginning(packed, HEAD_BYTES);
  if (all === null || all.size === 0 || all.size >= HEAD_BYTES) return [];
  const found: Claim[] = [];
  const longer = plain.filter(({ sizeBytes }) => sizeBytes > all.size);
  for (const claim of longer.slice(0, COMPARED_MAX)) {
    if (partitionOf(claim.file) !== partitionOf(packed.file)) continue;
    if ((await prefixes.beginning(claim, all.size))?.sha256 === all.sha256) found.push(claim);
  }
  return found;
}

/** Of texts that begin alike so many are compared as wholes, those nearest in size. */
const COMPARED_MAX = 64;

/** Texts that begin with a whole other one whose first bytes are all that it has. */
function goingOnWithShort(texts: readonly Claim[]): Map<Claim, Claim[]> {
  const starts = texts
    .flatMap((claim) => (claim.start === undefined ? [] : [{ claim, start: claim.start }]))
    .sort((a, b) => compareBytes(a.start, b.start));
  const found = new Map<Claim, Claim[]>();
  for (const [index, { claim: short, start }] of starts.entries()) {
    if (short.sizeBytes > start.length || short.sizeBytes >= HEAD_BYTES) continue;
    // In this order all that begin with it stand behind it.
    for (let next = index + 1; next < starts.length; next++) {
      const other = starts[next];
      if (other === undefined || !startsWith(other.start, start)) break;
      const { claim } = other;
      const isLonger = claim.sizeBytes > short.sizeBytes;
      if (!isLonger || partitionOf(claim.file) !== partitionOf(short.file)) continue;
      found.set(claim, [...(found.get(claim) ?? []), short]);
    }
  }
  return found;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let index = 0; index < shared; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte);
}

interface Asked {
  readonly claim: Claim;
  readonly before: LedgerFile | null;
  /** The file of the batch that has these bytes and comes first. */
  readonly inBatch: string | null;
  /** What of it was set aside whole under other names: nothing of these bytes is anywhere. */
  readonly wasAside: readonly LedgerFile[];
}

async function firstWithBytes(
  ledger: Ledger,
  config: FileSourceConfig,
  claims: readonly Claim[],
  { claim, before, inBatch, wasAside }: Asked,
): Promise<string | null> {
  // The same bytes under the same name were touched, not changed: never landed twice.
  const isTouched = before !== null && before.sha256 === claim.sha256;
  if (isTouched && !(await isDueAgain(ledger, config, before))) return claim.file;
  if (!isTouched && (await hasRows(ledger, config, before))) return null;
  if (config.sameBytes === "land") return null;
  if (inBatch !== null) return inBatch;
  const former = new Set(wasAside.map(({ file }) => file));
  const holders = await ledger.holders(config.name, claim.sha256);
  const standing = holders.filter((holder) => stands(config, claims, claim, holder));
  return standing.find(({ file }) => !former.has(file))?.file ?? null;
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
function stands(
  config: FileSourceConfig,
  claims: readonly Claim[],
  claim: Claim,
  holder: Holder,
): boolean {
  // The path says something that the bytes do not.
  if (partitionOf(holder.file) !== partitionOf(claim.file)) return false;
  // What was set aside there is closed, and these bytes are nowhere.
  if (holder.aside && holder.replaced) return false;
  if (config.sameName !== "replace") return true;
  const replacing = claims.find((other) => other.file === holder.file);
  return !holder.replaced && (replacing === undefined || replacing.sha256 === claim.sha256);
}

async function decideContent(
  config: FileSourceConfig,
  past: Past,
  { claim, before, version }: Pick<Asked, "claim" | "before"> & { readonly version: number },
): Promise<Decision> {
  const replaces = config.sameName === "replace";
  const all = { fromByte: 0, newlines: claim.newlines, replaces };
  const whole = { kind: "land", claim, version, ...all } as const;
  if (replaces) return { ...whole, changed: false };
  const longer = await past.beginsWith(claim, before);
  if (longer !== null) {
    const duplicate = { kind: "duplicate", claim, version, first: longer.file.file } as const;
    return longer.isWhole ? duplicate : { ...duplicate, isBeginning: true };
  }
  const found = await past.goesOn(claim, before);
  if (found === null) {
    const changed = before !== null && before.sha256 !== claim.sha256;
    return { ...whole, changed };
  }
  const { file, prefix } = found;
  // A packed copy of what landed, as logs are rotated.
  if (prefix.around.length === 1) {
    return { kind: "duplicate", claim, version, first: file.file };
  }
  const from = continuation(file, prefix);
  const end = file.reading?.end ?? null;
  const lines = from.reopens ? (end?.lines ?? 1) - 1 : 0;
  const ended = from.byte > (end?.size ?? file.sizeBytes) ? 1 : 0;
  const skipped = from.byte === 0 ? 0 : prefix.newlines - lines + ended;
  const newlines = Math.max(0, claim.newlines - skipped);
  const tail = { ...whole, changed: false, newlines, fromByte: from.byte, goesOn: file };
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
  readonly #prefixes: Prefixes;
  #shortSizes: readonly number[] | null = null;

  constructor(ledger: Ledger, config: FileSourceConfig, prefixes: Prefixes) {
    this.#ledger = ledger;
    this.#config = config;
    this.#prefixes = prefixes;
  }

  /** A live text whose first bytes are all of the claim's; null where there is none. */
  async beginsWith(
    claim: Claim,
    before: LedgerFile | null,
  ): Promise<{ readonly file: LedgerFile; readonly isWhole: boolean } | null> {
    if (claim.sizeBytes === 0) return null;
    const texts = await this.#longer(claim, before);
    if (texts.length === 0) return null;
    const plain = { size: claim.sizeBytes, sha256: claim.sha256 };
    const isPacked = PACKED.test(claim.file);
    const all = isPacked ? await this.#prefixes.beginning(claim, Number.MAX_SAFE_INTEGER) : plain;
    if (all === null || all.size === 0) return null;
    for (const file of texts) {
      if (contentSize(file) < all.size) continue;
      const start = await this.#prefixes.beginning(file, all.size);
      if (start?.size !== all.size || start.sha256 !== all.sha256) continue;
      return { file, isWhole: contentSize(file) === all.size };
    }
    return null;
  }

  /** Texts that may begin with the claim: of its own name, and those that are known to begin as it does. */
  async #longer(claim: Claim, before: LedgerFile | null): Promise<LedgerFile[]> {
    const { name, sameBytes } = this.#config;
    const isPacked = PACKED.test(claim.file);
    const isLonger = (file: LedgerFile): boolean =>
      isText(file) && (isPacked || contentSize(file) >= claim.sizeBytes);
    const own = await this.#own(claim, before);
    const found = own.filter((file) => file.outcome === "landed" && isLonger(file));
    if (sameBytes === "land") return found;
    const isRead = isPacked || claim.head === undefined;
    const start = isRead ? await this.#prefixes.beginning(claim, HEAD_BYTES) : null;
    const head = start?.sha256 ?? claim.head;
    if (head === undefined) return found;
    const alike = await this.#ledger.withHead(name, [head], Number.MAX_SAFE_INTEGER);
    const partition = partitionOf(claim.file);
    const here = alike.filter((file) => partitionOf(file.file) === partition);
    // A tail tells nothing of a beginning that was forgotten.
    const hasStart = here.some(({ fromByte }) => fromByte === 0);
    const others = here.filter((file) => isLonger(file) && (hasStart || file.fromByte === 0));
    return [...found, ...others].slice(0, COMPARED_MAX);
  }

  /** The longest landed text whose bytes are the first of the claim's; null where there is none. */
  async goesOn(
    claim: Claim,
    before: LedgerFile | null,
  ): Promise<{ readonly file: LedgerFile; readonly prefix: Prefix } | null> {
    if (claim.sizeBytes === 0) return null;
    const own = await this.#own(claim, before);
    const grown = own.filter((file) => this.#mayHaveGrown(claim, file));
    // Who wants equal bytes twice wants them as part of others, too.
    const isAlone = this.#config.sameBytes === "land";
    // A copy of it may have landed since, and be the longer.
    return this.#longest(claim, isAlone ? grown : [...grown, ...(await this.#candidates(claim))]);
  }

  /** What landed under its name, where that is live: the last of it, where equal bytes land again. */
  async #own({ file }: Claim, before: LedgerFile | null): Promise<readonly LedgerFile[]> {
    if (before === null) return [];
    const { name: source, sameBytes } = this.#config;
    const live = await this.#ledger.files({ source, file, live: true });
    const last = Math.max(...live.map(({ version }) => version));
    return sameBytes === "land" ? live.filter(({ version }) => version === last) : live;
  }

  async #longest(claim: Claim, files: readonly LedgerFile[]) {
    if (files.length === 0) return null;
    const prefixes = await this.#prefixes.prefixes(claim, files.map(contentSize));
    for (const file of files.toSorted((a, b) => contentSize(b) - contentSize(a))) {
      const prefix = prefixes.get(contentSize(file));
      if (prefix === undefined || prefix.sha256 !== (await this.#contentOf(file))) continue;
      const isKnown = isNothing(file) || (file.reading?.end ?? null) !== null;
      return isKnown || lineEnd(prefix.around, 1) !== null ? { file, prefix } : null;
    }
    return null;
  }

  async #contentOf(file: LedgerFile): Promise<string | null> {
    if (!isPackedText(file)) return file.sha256;
    return (await this.#prefixes.beginning(file, contentSize(file)))?.sha256 ?? null;
  }

  /** Texts of the source that begin as the claim does, in the same folders `key=value`. */
  async #candidates(claim: Claim): Promise<LedgerFile[]> {
    const { name } = this.#config;
    this.#shortSizes ??= await this.#ledger.shortSizes(name);
    // A packed claim is longer than it looks, and begins otherwise.
    const isPacked = PACKED.test(claim.file);
    const isRead = isPacked || claim.head === undefined;
    const sizes = isRead ? [...this.#shortSizes, HEAD_BYTES] : this.#shortSizes;
    const prefixes = await this.#prefixes.prefixes(claim, sizes);
    const heads = [...prefixes.values()].map((prefix) => prefix.sha256);
    if (!isRead && claim.head !== undefined) heads.push(claim.head);
    if (heads.length === 0) return [];
    // What is packed may be the larger for it, where it is short.
    const sizeMax = isPacked ? Number.MAX_SAFE_INTEGER : Math.max(claim.sizeBytes, 2 * HEAD_BYTES);
    const found = await this.#ledger.withHead(name, heads, sizeMax);
    const partition = partitionOf(claim.file);
    return found.filter(
      (file) => (isText(file) || isNothing(file)) && partitionOf(file.file) === partition,
    );
  }

  /** Of a version that was set aside whole no row is in the table: its tail alone would lose the others. */
  #mayHaveGrown(claim: Claim, before: LedgerFile): boolean {
    const isLines = before.reading === null ? LINES.test(claim.file) : isText(before);
    const isLanded = before.outcome === "landed" && before.sizeBytes > 0;
    const isLonger = isPackedText(before) || claim.sizeBytes > before.sizeBytes;
    return (isLines || isNothing(before)) && isLanded && isLonger;
  }
}

/** Nothing of it landed: a part of a header, or of its first line. */
function isNothing(file: LedgerFile): boolean {
  return file.outcome === "landed" && file.fromByte === 0 && file.rowsLanded === 0;
}

/** A text of lines. */
function isText({ reading }: LedgerFile): boolean {
  return (reading?.end ?? null) !== null && reading?.dialect?.compression !== "zip";
}

function isPackedText(file: LedgerFile): boolean {
  return isText(file) && file.reading?.dialect?.compression !== "none";
}

/** Bytes of its text, unpacked. */
function contentSize({ reading, sizeBytes }: LedgerFile): number {
  return reading?.end?.size ?? sizeBytes;
}

/** By its name, what landed before it was kept how far a text is finished. */
const LINES = /\.(csv|tsv|txt|json|jsonl|ndjson|log)$/i;
const PACKED = /\.(gz|gzip|zst|zstd)$/i;

/** Dropped files as sources: a listing against the ledger, a settle rule, and claims of what is ready. */

import type { LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { type FileSourceConfig, keepsOriginals } from "../../core/ingest/contract.ts";
import type { Beginning, Prefix } from "../../core/ingest/decision.ts";
import type { KnownFile, Ledger, LedgerFile } from "../../core/ingest/ledger.ts";
import type { Move } from "../../core/ingest/moved.ts";
import type { Batch, BatchLimits, Claim, Part, Refusal, Source } from "../../core/ingest/source.ts";
import type { Unreadable } from "../../core/lake.ts";
import type { Clock, FileIO } from "../../core/ports.ts";
import type { Claims } from "../files/claim.ts";
import type { Drop } from "../files/drops.ts";

/** Names looked up in the ledger at once. */
const LOOKUP_FILES_MAX = 2_000;
/** Every drop is looked at this often, whatever the watcher says; less often where it takes long. */
const LOOK_EVERY_MS = 5_000;
const LOOK_SHARE = 20;
/** Of more files that are named or wait the folders are listed. */
const NAMED_FILES_MAX = 256;

export interface DropsOptions {
  /** Lists what is dropped; may hand on a drop that `unchanged` answers without a look at it. */
  readonly list: (
    unchanged: (file: string) => Drop | null,
    onUnreadable: (found: Unreadable) => void,
  ) => AsyncIterable<Drop>;
  /** One drop; null where there is none, or a listing has to tell. Absent: all are listed. */
  readonly look?: (file: string) => Promise<Drop | null>;
  /** What sources are dealt by: another object after an edit. */
  readonly settings?: () => object;
  readonly claims: () => Promise<Claims>;
  readonly ledger: Ledger;
  /** How sources with another name are followed: in the ledger, or only where it is read. Absent: not at all. */
  readonly renames?: "recorded" | "read";
  readonly clock: Clock;
  readonly io: FileIO;
  /** Absolute folder that dropped paths are relative to. */
  readonly projectRoot: string;
  /** Which source takes which dropped path, and why some are taken by none. */
  readonly deal: (files: readonly string[]) => Dealt;
}

export interface Dealt {
  readonly sources: readonly FileSourceConfig[];
  readonly sourceByPath: ReadonlyMap<string, FileSourceConfig>;
  readonly unclaimed: readonly {
    readonly path: string;
    readonly reason: string;
    readonly isBookkeeping: boolean;
  }[];
  /** As in DealtDrops. */
  readonly sourceOf?: (path: string) => FileSourceConfig | null;
}

/** Everything dropped, dealt to its sources. One listing serves them all. */
export class Drops {
  readonly #options: DropsOptions;
  readonly #sourceByName = new Map<string, FileSource>();
  #unclaimed: Dealt["unclaimed"] = [];
  #unreadable: readonly Unreadable[] = [];
  /** By file, of the last listing. */
  #listed = new Map<string, Drop>();
  /** What the last listing was dealt by, and what it came to. */
  #dealt: { readonly settings: object | undefined; readonly to: Dealt } | null = null;
  /** Files that the watcher named since the last look; null where nobody watches. */
  #touched: Set<string> | null = null;
  /** It said that something happened, and not where. */
  #isVague = false;
  #lookAgainMs = 0;

  constructor(options: DropsOptions) {
    this.#options = options;
  }

  /**
   * From here on a listing looks at new names, at what waits, and at the paths that the answer is told of, and where
   * there are such paths, at these and at what waits alone. Everything else is looked at every few seconds: a watcher
   * is a hint.
   */
  follow(): (absolute: string | null) => void {
    const touched = new Set<string>();
    this.#touched = touched;
    const prefix = `${this.#options.projectRoot}/`;
    return (absolute) => {
      if (absolute?.startsWith(prefix) === true) touched.add(absolute.slice(prefix.length));
      else if (absolute === null) this.#isVague = true;
    };
  }

  /** Lists the drops again and gives each source what is new or changed since its last landing. */
  async refresh(): Promise<void> {
    if (await this.#refreshNamed()) return;
    await this.#refreshAll();
  }

  /**
   * Looks at the files that were named and at those that wait, whatever else lies there; false where that does not
   * tell: of other sources than there were, of folders, of what has gone without having been listed.
   */
  async #refreshNamed(): Promise<boolean> {
    const { clock, look, settings } = this.#options;
    const sources = [...this.#sourceByName.values()];
    const touched = this.#touched;
    const isTold = touched !== null && touched.size > 0 && !this.#isVague;
    if (!isTold || look === undefined || clock.nowMs() >= this.#lookAgainMs) return false;
    if (this.#dealt?.settings !== settings?.() || sources.some(({ hasPast }) => !hasPast))
      return false;
    const paths = [...touched];
    const files = [...new Set([...paths, ...sources.flatMap(({ waiting }) => waiting)])];
    if (files.length > NAMED_FILES_MAX) return false;
    // What is named from here on is looked at once more.
    touched.clear();
    const named = await this.#lookAt(files, look);
    if (named === null) {
      for (const path of paths) touched.add(path);
      return false;
    }
    for (const [source, { drops, gone }] of named) await source.offerSome(drops, gone);
    for (const { drops, gone } of named.values()) {
      for (const drop of gone) this.#listed.delete(drop.file);
      for (const drop of drops) this.#listed.set(drop.file, drop);
    }
    return true;
  }

  /** By source: those that are there, and those that were. */
  async #lookAt(
    files: readonly string[],
    look: (file: string) => Promise<Drop | null>,
  ): Promise<ReadonlyMap<FileSource, { drops: Drop[]; gone: Drop[] }> | null> {
    const named = new Map<FileSource, { drops: Drop[]; gone: Drop[] }>();
    for (const file of files) {
      const drop = await look(file);
      const before = this.#listed.get(file);
      const config = this.#dealt?.to.sourceOf?.(file) ?? null;
      const source = config === null ? undefined : this.#sourceByName.get(config.name);
      if (source === undefined || (drop === null && before === undefined)) return null;
      const own = named.get(source) ?? { drops: [], gone: [] };
      named.set(source, own);
      if (before !== undefined) own.gone.push(before);
      if (drop !== null) own.drops.push(drop);
    }
    return named;
  }

  async #refreshAll(): Promise<void> {
    const settings = this.#options.settings?.();
    const listed = await this.#list();
    const dealt = this.#options.deal(listed.map((drop) => drop.file));
    this.#dealt = { settings, to: dealt };
    const dropsBySource = new Map<string, Drop[]>();
    for (const drop of listed) {
      const config = dealt.sourceByPath.get(drop.file);
      if (config === undefined) continue;
      const drops = dropsBySource.get(config.name);
      if (drops === undefined) dropsBySource.set(config.name, [drop]);
      else drops.push(drop);
    }
    const configured = new Set(dealt.sources.map(({ name }) => name));
    for (const name of [...this.#sourceByName.keys()]) {
      if (!configured.has(name)) this.#sourceByName.delete(name);
    }
    for (const config of dealt.sources) {
      const source = this.source(config);
      const drops = dropsBySource.get(config.name) ?? [];
      await this.#follow(source, configured, drops);
      await source.offer(drops);
    }
    this.#unclaimed = dealt.unclaimed;
  }

  /** A source that has another name in tarn.yaml goes on where it stopped under the old one. */
  async #follow(
    source: FileSource,
    configured: ReadonlySet<string>,
    drops: readonly Drop[],
  ): Promise<void> {
    const { ledger, renames } = this.#options;
    if (renames === undefined || source.hasPast) return;
    const { name } = source;
    const move = await this.#moveOf(source, configured, drops);
    if (move?.kind === "from" && renames === "recorded")
      await ledger.renameSource(move.source, name);
    source.follow(move, renames === "recorded");
  }

  /** Null for one whose table nobody wrote before. */
  async #moveOf(
    { config }: FileSource,
    configured: ReadonlySet<string>,
    drops: readonly Drop[],
  ): Promise<Move | null> {
    const { ledger } = this.#options;
    const landed = await ledger.sources();
    if (!landed.some(({ table }) => table === config.into)) return null;
    const { moveOf } = await import("../../core/ingest/moved.ts");
    return await moveOf(ledger, config, configured, drops);
  }

  async #list(): Promise<Drop[]> {
    const { clock } = this.#options;
    const startMs = clock.nowMs();
    const touched = new Set(this.#touched);
    this.#touched?.clear();
    this.#isVague = false;
    const isWhole = this.#touched === null || startMs >= this.#lookAgainMs;
    const landed = new Set([...this.#sourceByName.values()].map((source) => source.landed));
    const unchanged = (file: string): Drop | null => {
      const drop = isWhole || touched.has(file) ? undefined : this.#listed.get(file);
      if (drop === undefined) return null;
      for (const drops of landed) if (drops.has(drop)) return drop;
      return null;
    };
    const listed: Drop[] = [];
    const unreadable: Unreadable[] = [];
    const onUnreadable = (found: Unreadable): void => void unreadable.push(found);
    for await (const drop of this.#options.list(unchanged, onUnreadable)) listed.push(drop);
    this.#unreadable = unreadable;
    this.#listed = new Map(listed.map((drop) => [drop.file, drop]));
    if (isWhole) {
      const endMs = clock.nowMs();
      this.#lookAgainMs = endMs + Math.max(LOOK_EVERY_MS, LOOK_SHARE * (endMs - startMs));
    }
    return listed;
  }

  /** The source of a configuration, made when it is first asked for. */
  source(config: FileSourceConfig): FileSource {
    const known = this.#sourceByName.get(config.name);
    if (known !== undefined) {
      known.config = config;
      return known;
    }
    const source = new FileSource(config, this.#options);
    this.#sourceByName.set(config.name, source);
    return source;
  }

  /** Lists again where what landed made more ready. */
  async refreshFreed(): Promise<boolean> {
    const sources = [...this.#sourceByName.values()];
    if (!sources.some(({ mayFree }) => mayFree)) return false;
    for (const source of sources) source.mayFree = false;
    await this.#refreshAll();
    return true;
  }

  /** The sources of the last listing. */
  get sources(): readonly FileSource[] {
    return [...this.#sourceByName.values()];
  }

  /** Dropped files that no source claims, as of the last listing. */
  get unclaimed(): Dealt["unclaimed"] {
    return this.#unclaimed;
  }

  /** What the last listing could not look at. */
  get unreadable(): readonly Unreadable[] {
    return this.#unreadable;
  }
}

interface Waiting {
  readonly drop: Drop;
  readonly sinceMs: number;
}

/** The dropped files of one source. */
export class FileSource implements Source {
  readonly name: string;
  /** As of the last listing: tarn.yaml may have been edited. */
  config: FileSourceConfig;
  /** Rows of earlier versions were replaced: copies of them that were skipped may be due. */
  mayFree = false;
  readonly #options: DropsOptions;
  /** Not yet in the ledger in this form, in order of name. */
  #waitingByFile = new Map<string, Waiting>();
  #landed = new Set<Drop>();
  /** The name in the ledger. */
  #pastName: string;
  #hasPast = false;
  #unknownPast: LakeError | null = null;

  constructor(config: FileSourceConfig, options: DropsOptions) {
    this.name = config.name;
    this.#pastName = config.name;
    this.config = config;
    this.#options = options;
  }

  get into(): string {
    return this.config.into;
  }

  /** Of the last offer, what the ledger holds in this form. It keeps what it holds. */
  get landed(): ReadonlySet<Drop> {
    return this.#landed;
  }

  /** Whether it is known what it landed before, under whatever name. */
  get hasPast(): boolean {
    return this.#hasPast;
  }

  /** Goes on from another source; while nobody says from which, nothing is taken. */
  follow(move: Move | null, isRecorded: boolean): void {
    this.#unknownPast = move?.kind === "ask" ? move.error : null;
    this.#pastName = move?.kind === "from" && !isRecorded ? move.source : this.name;
    this.#hasPast = move === null || (move.kind === "from" && isRecorded);
  }

  /** Replaces what waits by the listed drops that the ledger does not hold in this form. */
  async offer(drops: readonly Drop[]): Promise<void> {
    const landed = new Set<Drop>();
    const asked: Drop[] = [];
    for (const drop of drops) {
      if (this.#landed.has(drop)) landed.add(drop);
      else asked.push(drop);
    }
    this.#waitingByFile = await this.#waitingOf(asked, landed);
    this.#landed = landed;
  }

  /** The same of some drops, in place of what is known of them and of those that are gone. */
  async offerSome(drops: readonly Drop[], gone: readonly Drop[]): Promise<void> {
    const waiting = await this.#waitingOf(drops, this.#landed);
    const next = new Map(this.#waitingByFile);
    for (const drop of gone) {
      next.delete(drop.file);
      this.#landed.delete(drop);
    }
    for (const [file, one] of waiting) next.set(file, one);
    this.#waitingByFile = new Map([...next].sort(([a], [b]) => compareCodePoints(a, b)));
  }

  /** Names of those that wait. */
  get waiting(): readonly string[] {
    return [...this.#waitingByFile.keys()];
  }

  /** Those that the ledger does not hold in this form; the others are added to `landed`. */
  async #waitingOf(asked: readonly Drop[], landed: Set<Drop>): Promise<Map<string, Waiting>> {
    const next = new Map<string, Waiting>();
    const nowMs = this.#options.clock.nowMs();
    for (let start = 0; start < asked.length; start += LOOKUP_FILES_MAX) {
      const part = asked.slice(start, start + LOOKUP_FILES_MAX);
      const files = part.map((drop) => drop.file);
      const known = await this.#options.ledger.known(this.#pastName, files);
      for (const drop of part) {
        const found = known.get(drop.file);
        const isKnown = found !== undefined && sameForm(form(drop), found);
        const state = isKnown ? await this.#stateOf(found) : "new";
        if (state === "landed") landed.add(drop);
        if (state !== "new") continue;
        const before = this.#waitingByFile.get(drop.file);
        const same = before !== undefined && sameForm(before.drop, drop);
        next.set(drop.file, { drop, sinceMs: same ? before.sinceMs : nowMs });
      }
    }
    return next;
  }

  /** A copy is asked about every time: what it is a copy of may be replaced. */
  async #stateOf(known: KnownFile): Promise<"new" | "copy" | "landed"> {
    if (known.outcome !== "duplicate") return "landed";
    const { isCopy, isDueAgain } = await import("../../core/ingest/decision.ts");
    if (await isDueAgain(this.#options.ledger, this.config, known)) return "new";
    return isCopy(this.config, known) ? "copy" : "landed";
  }

  async poll(limits: BatchLimits): Promise<DropBatch | null> {
    if (this.#unknownPast !== null && this.#waitingByFile.size > 0) throw this.#unknownPast;
    const drops = this.#take(limits);
    if (drops.length === 0) return null;
    const files = drops.filter((drop) => drop.kind === "file");
    const temporary = this.keepsOriginals ? null : await this.#emptyCopies();
    const copies = await this.#options.claims();
    const results = await copies.claimAll(
      files.map((drop) => drop.absolute),
      { temporary },
    );
    const claimed = new Map<Claim, Drop>();
    const refused: Refusal[] = drops
      .filter((drop) => drop.kind !== "file")
      .map((drop) => ({ ...form(drop), reason: `it is a ${drop.kind}, not a regular file` }));
    for (const [index, result] of results.entries()) {
      const drop = files[index];
      if (drop === undefined) continue;
      if (result.kind === "refused") {
        const { kind: _, ...refusal } = result;
        refused.push({ file: drop.file, ...refusal });
      } else if (result.kind === "changed") {
        this.#waitingByFile.set(drop.file, { drop, sinceMs: this.#options.clock.nowMs() });
      } else if (result.kind === "claimed") {
        const { kind: _, ...copy } = result;
        claimed.set({ file: drop.file, ...copy }, drop);
      }
    }
    if (claimed.size === 0 && refused.length === 0) return null;
    return new DropBatch(this, copies, this.#options.ledger, { claimed, refused });
  }

  waitingMs(): number | null {
    const nowMs = this.#options.clock.nowMs();
    let least: number | null = null;
    for (const waiting of this.#waitingByFile.values()) {
      const left = Math.max(0, this.#settledInMs(waiting, nowMs));
      least = least === null ? left : Math.min(least, left);
    }
    return least;
  }

  /** How many files wait, settled or not. */
  get waitingFiles(): number {
    return this.#waitingByFile.size;
  }

  /** Drops that are to be taken by a later batch; they have settled. */
  putBack(drops: readonly Drop[]): void {
    for (const drop of drops) this.#waitingByFile.set(drop.file, { drop, sinceMs: 0 });
  }

  /** What is to happen with drops whose rows are committed. */
  async settle(claims: readonly Claim[]): Promise<void> {
    if (!this.keepsOriginals) await this.#emptyCopies();
    if (this.config.onLanded === "keep") return;
    const { disposeDrop } = await import("../files/dispose.ts");
    for (const claim of claims) {
      const absolute = `${this.#options.projectRoot}/${claim.file}`;
      await disposeDrop(absolute, claim, this.config.onLanded);
    }
  }

  async close(): Promise<void> {}

  #take(limits: BatchLimits): Drop[] {
    const nowMs = this.#options.clock.nowMs();
    const drops: Drop[] = [];
    let bytes = 0;
    for (const [file, waiting] of this.#waitingByFile) {
      if (this.#settledInMs(waiting, nowMs) > 0) continue;
      const full = drops.length >= limits.files || bytes + waiting.drop.sizeBytes > limits.bytes;
      if (full && drops.length > 0) break;
      drops.push(waiting.drop);
      bytes += waiting.drop.sizeBytes;
      this.#waitingByFile.delete(file);
    }
    return drops;
  }

  /** A file is settled when its mtime is old enough, or when it was seen unchanged that long. */
  #settledInMs(waiting: Waiting, nowMs: number): number {
    const { settleMs } = this.config;
    const byMtime = waiting.drop.modifiedMs + settleMs - nowMs;
    const bySight = waiting.sinceMs + settleMs - nowMs;
    return Math.min(byMtime, bySight);
  }

  /** The folder of copies that are not kept, without any. */
  async #emptyCopies(): Promise<string> {
    return await this.#options.io.stagingFolder(`claims-${this.name}`);
  }

  get keepsOriginals(): boolean {
    return keepsOriginals(this.config);
  }
}

/** Claimed drops of one source: copies, under their names only once something is to name them. */
export class DropBatch implements Batch {
  readonly unit = "file";
  /** The ledger says which files landed. */
  readonly offset = null;
  readonly #source: FileSource;
  readonly #copies: Claims;
  readonly #ledger: Ledger;
  readonly #dropByClaim: ReadonlyMap<Claim, Drop>;
  readonly refused: readonly Refusal[];
  /** All of them, until it is decided which of them wait. */
  claims: readonly Claim[];
  #isKept = false;

  constructor(
    source: FileSource,
    copies: Claims,
    ledger: Ledger,
    {
      claimed,
      refused,
    }: { readonly claimed: ReadonlyMap<Claim, Drop>; readonly refused: readonly Refusal[] },
  ) {
    this.#source = source;
    this.#copies = copies;
    this.#ledger = ledger;
    this.#dropByClaim = claimed;
    this.refused = refused;
    this.claims = [...claimed.keys()];
  }

  async parts(): Promise<readonly Part[]> {
    const { decideClaims } = await import("../../core/ingest/decision.ts");
    const { config } = this.#source;
    const prefixes = (
      claim: Claim,
      sizes: readonly number[],
    ): Promise<ReadonlyMap<number, Prefix>> => this.#copies.prefixes(claim.localPath, sizes);
    const beginning = (text: Claim | LedgerFile, sizeMax: number): Promise<Beginning | null> =>
      "localPath" in text
        ? this.#copies.beginning(text.localPath, sizeMax)
        : this.#copies.beginningOf(text.original, sizeMax);
    const texts = { prefixes, beginning };
    const { decisions, later } = await decideClaims(this.#ledger, config, texts, this.claims);
    this.claims = decisions.map(({ claim }) => claim);
    await this.#copies.release(later);
    this.#source.putBack(later.flatMap((claim) => this.#dropByClaim.get(claim) ?? []));
    return [{ config, decisions, refused: this.refused }];
  }

  pathOf(claim: Claim): string {
    return this.#isKept ? claim.keptPath : claim.localPath;
  }

  async keep(): Promise<void> {
    if (this.#isKept) return;
    await this.#copies.keep(this.claims);
    this.#isKept = true;
  }

  async acknowledge(files: readonly LedgerFile[]): Promise<void> {
    const aside = new Set(files.filter(isAside).map(({ file }) => file));
    // A drop that was set aside whole and of which no original is kept stays: nothing else holds its rows.
    const held = this.claims.filter(({ file, original }) => original !== null || !aside.has(file));
    await this.#source.settle(held);
    const { sameName } = this.#source.config;
    this.#source.mayFree ||= sameName === "replace" && files.some(({ version }) => version > 1);
  }
}

function isAside({ outcome }: LedgerFile): boolean {
  return outcome === "quarantined";
}

type Form = Pick<Refusal, "sizeBytes" | "modifiedMs" | "inode"> & {
  /** Unknown in lakes of before it was kept. */
  readonly changedNs?: bigint | null;
};

function sameForm(a: Form, b: Form): boolean {
  const isUnknown = (a.changedNs ?? null) === null || (b.changedNs ?? null) === null;
  const isSame = isUnknown || a.changedNs === b.changedNs;
  return (
    isSame && a.sizeBytes === b.sizeBytes && a.modifiedMs === b.modifiedMs && a.inode === b.inode
  );
}

function form(drop: Drop): Omit<Refusal, "reason"> {
  const { file, sizeBytes, modifiedMs, inode, changedNs } = drop;
  return { file, sizeBytes, modifiedMs, inode, changedNs };
}

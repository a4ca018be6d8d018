/** Decodes a group of files: learns the contract as it goes, and lets no file take the others down. */

import { LakeError, withinLake } from "../base/errors.ts";
import type {
  ClaimedFile,
  Decoded,
  DecodedFile,
  DecodeLimits,
  DecodeRequest,
  Dialect,
  FileFault,
  Inspected,
  RowFix,
} from "../engine.ts";
import {
  DECODE_MS_BASE,
  DECODE_MS_PER_MIB,
  FILE_DECODED_BYTES_MAX,
  FILE_ROWS_MAX,
  REWRITE_BYTES_MAX,
} from "../limits.ts";
import type { Catalog, FileIO, Random, SqlEngine } from "../ports.ts";
import { STRING, sameType } from "../table/type-text.ts";
import type { Table, Type } from "../table/types.ts";
import { bronzeTarget, decodeColumns, type LandingTable, landedSchema } from "./bronze-table.ts";
import {
  type Contract,
  type DriftEvent,
  keepsOriginals,
  type ReadOptions,
  type SourceConfig,
} from "./contract.ts";
import { acquainted, columnFor, learn, type Observation, refuseDrift } from "./contract-rules.ts";
import { asideFor, guarded, type Part, type SetAside } from "./decode-parts.ts";
import { columnPolicy, heldBy, mayEvolve } from "./drift-policy.ts";
import type { Fix } from "./ledger.ts";
import type { Learning, MisfitChoices, MisfitJudge } from "./misfits.ts";

export interface DecodePorts {
  readonly io: FileIO;
  readonly catalog: Catalog;
  readonly engine: SqlEngine;
  readonly random: Random;
}

export interface DecodeGroup {
  readonly batch: string;
  readonly ingestedAtMs: number;
  readonly source: SourceConfig;
  readonly contract: Contract | null;
  /** Those that it has to be compatible with, where it has to be with any. */
  readonly versions?: readonly Contract[];
  readonly table: Table | null;
  readonly quarantine: LandingTable;
  readonly files: readonly ClaimedFile[];
  readonly fixes: readonly Fix[];
  /** How files turned out to be written when they were read before. */
  readonly dialects?: ReadonlyMap<string, Dialect>;
  readonly tellRejects?: boolean;
  /** Names the folders of its output, where a batch is decoded in more than one group. */
  readonly folder?: string;
  /** Columns whose earlier rows fit no wider type exactly: a new type for them is text. */
  readonly asText?: ReadonlySet<string>;
  /** The contract stands as it is, places without a value so far included. */
  readonly learns?: "nothing";
  /** Where all files are learned from anew. */
  readonly learning?: Learning;
  readonly memoryBytes: number;
  readonly threads: number;
}

export interface DecodedGroup {
  readonly contract: Contract | null;
  readonly drift: readonly DriftEvent[];
  /** Null when no file could be read at all and the table does not exist. */
  readonly target: LandingTable | null;
  readonly outputs: readonly Decoded[];
  readonly files: readonly DecodedFile[];
  /** Columns of text that settings would make numbers or days, by the setting: `numbers: de`. */
  readonly looks: readonly Look[];
  /** Files set aside whole, with the reason of the quarantine list. */
  readonly setAside: readonly SetAside[];
}

/** Columns that a setting, such as `numbers: de`, would type. */
export interface Look {
  readonly setting: string;
  readonly columns: readonly string[];
}

/** Times that a file may bring a new contract before that is a loop. */
const LEARN_ROUNDS_MAX = 8;
const MIB = 1024 * 1024;

/** So many files that cannot be read, and none that can: it is not the files. */
const REFUSED_MAX = 16;

/**
 * Decodes a group; a file that the others cannot be read with is set aside whole, after them. Throws `schema` under
 * `schema: fail`, and what is the disk's or the lake's failure.
 */
export async function decodeGroup(ports: DecodePorts, group: DecodeGroup): Promise<DecodedGroup> {
  const first = await tryGroup(ports, group);
  if (!(first instanceof LakeError)) return first;
  const search = new Search(ports, group);
  await search.take(group.files, first);
  const decoded = search.decoded ?? (await decodeTogether(ports, { ...group, files: [] }));
  return { ...decoded, setAside: [...decoded.setAside, ...search.refused] };
}

/** What reading these files may take. */
export function limitsFor(
  group: Pick<DecodeGroup, "memoryBytes" | "threads">,
  files: readonly Pick<ClaimedFile, "sizeBytes">[],
): DecodeLimits {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return {
    rowsMax: FILE_ROWS_MAX,
    decodedBytesMax: FILE_DECODED_BYTES_MAX,
    timeMs: DECODE_MS_BASE + Math.ceil(sizeBytes / MIB) * DECODE_MS_PER_MIB,
    memoryBytes: group.memoryBytes,
    threads: group.threads,
  };
}

const NO_CHOICES: MisfitChoices = new Map();
/** More than any share that can be set. */
const MOSTLY = 0.5;

/** The files of a group that can be read together, found by halves. */
class Search {
  readonly #ports: DecodePorts;
  readonly #group: DecodeGroup;
  #files: readonly ClaimedFile[] = [];
  decoded: DecodedGroup | null = null;
  readonly refused: SetAside[] = [];

  constructor(ports: DecodePorts, group: DecodeGroup) {
    this.#ports = ports;
    this.#group = group;
  }

  /** `failure` is what reading these files, with those that were taken, came to. */
  async take(files: readonly ClaimedFile[], failure: LakeError): Promise<void> {
    const [only, ...others] = files;
    if (only === undefined) return;
    if (others.length === 0) {
      this.#refuse(only, failure);
      return;
    }
    const middle = Math.ceil(files.length / 2);
    for (const half of [files.slice(0, middle), files.slice(middle)]) {
      const together = [...this.#files, ...half];
      const result = await tryGroup(this.#ports, { ...this.#group, files: together });
      if (result instanceof LakeError) {
        await this.take(half, result);
        continue;
      }
      this.decoded = result;
      this.#files = together;
    }
  }

  #refuse(file: ClaimedFile, failure: LakeError): void {
    // SQL of the settings is in every statement: what it breaks is not the file's fault.
    const isOurs = Object.keys(this.#group.source.beforeLanding).length > 0;
    const isAll = this.decoded === null && this.refused.length >= REFUSED_MAX;
    if (this.decoded === null && (isOurs || isAll)) throw failure;
    this.refused.push(asideFor(file, "unreadable", failure.message));
  }
}

/** The group decoded; or what reading it came to, where that is its files' doing. */
async function tryGroup(ports: DecodePorts, group: DecodeGroup): Promise<DecodedGroup | LakeError> {
  try {
    return await decodeTogether(ports, group);
  } catch (thrown) {
    const error = withinLake(thrown);
    if (error.scope !== "file") throw error;
    return error;
  }
}

/** Decodes until contract and files agree. */
async function decodeTogether(ports: DecodePorts, group: DecodeGroup): Promise<DecodedGroup> {
  const state = new GroupState(group);
  for (let round = 0; round < LEARN_ROUNDS_MAX; round++) {
    if (state.contract === null) await learnFirst(ports, group, state);
    if (state.contract === null) return state.finish(null, []);
    let target = targetFor(ports, group, state, state.contract);
    if (round === LEARN_ROUNDS_MAX - 1) state.learns = "nothing";
    if (state.learns !== "nothing" && (rewriteTooLarge(group, target) || losesPartition(target))) {
      if (state.guessed) {
        state.startOver();
        continue;
      }
      state.settle(group.contract);
      target = targetFor(ports, group, state, group.contract ?? state.contract);
    }
    const outputs = await decodeAll(ports, group, state, target);
    const misfits = outputs.flatMap((output) => output.files.filter((f) => f.misfits.length > 0));
    if (misfits.length === 0) return state.finish(target, outputs);
    if (state.guessed) {
      state.startOver();
      continue;
    }
    const seen = misfits.map((file) => ({ file: file.name, columns: file.misfits }));
    await state.absorb(ports.catalog, seen, true);
  }
  throw new LakeError("schema", `the contract of ${group.source.name} does not settle`, {
    scope: "file",
  });
}

/** What is learned and lost over the rounds of one group. */
class GroupState {
  readonly #group: DecodeGroup;
  contract: Contract | null;
  drift: DriftEvent[] = [];
  filled = new Map<string, Type>();
  /** Files that are read together: all of them, as long as none takes the worker down. */
  parts: readonly Part[];
  readonly setAside: SetAside[] = [];
  readonly dialects: Map<string, Dialect>;
  /**
   * What is learned still: whatever files bring, only the types of places without a value so far, or nothing. What does
   * not fit then is quarantined row by row.
   */
  learns: "all" | "first" | "nothing";
  /** The contract was learned from the first rows of a large file; decoding proves it or not. */
  guessed = false;
  /** By a setting, the columns whose texts it would type. */
  readonly looks = new Map<string, ReadonlySet<string>>();
  /** Files are looked at whole: what their first rows said was not true of all. */
  #isWhole = false;
  /** What would have changed a column, by the column. */
  readonly #held = new Map<string, DriftEvent>();
  /** Columns of which few values do not fit, and were counted: those are set aside. */
  aside = new Set<string>();
  /** By file and column. */
  #misfits = new Map<string, DriftEvent>();

  constructor(group: DecodeGroup) {
    this.#group = group;
    this.contract = group.contract;
    this.dialects = new Map(group.dialects);
    this.parts = [{ files: group.files, struck: 0 }];
    const { schema } = group.source;
    const isOpen = schema === "fail" || mayEvolve(group.source);
    this.learns = group.learns ?? (isOpen ? "all" : "first");
  }

  /** `isAll`: these are all files of the group, each looked at whole. */
  async absorb(catalog: Catalog, seen: readonly Observation[], isAll: boolean): Promise<void> {
    const first = seen[0];
    const before = this.contract;
    // The first file is what later ones are held against.
    if (before !== null && first !== undefined) refuseFailing(this.#group.source, before, seen);
    const onlyFirst = this.learns === "first" && before !== null;
    const { source, versions = [] } = this.#group;
    const hold = await heldBy(source, versions);
    const judge = await this.#judge(catalog, seen);
    const { asText } = this.#group;
    const learned = learn(source.name, before, seen, asText, onlyFirst, hold, judge?.judge);
    for (const event of judge?.events ?? []) {
      this.#misfits.set(`${event.file} ${event.message.split(" ", 1)[0]}`, event);
    }
    // What others hold that were looked at in part is not known.
    if (isAll) for (const column of judge?.aside ?? []) this.aside.add(column);
    for (const event of learned.held) this.#held.set(event.column, event);
    if (before !== null && learned.contract.version === before.version) this.learns = "nothing";
    const base = this.#group.contract;
    const version = base === null ? 1 : base.version + 1;
    const changed = learned.contract.version !== (before?.version ?? 0);
    const { read } = this.#group.source;
    this.contract = changed ? { ...learned.contract, version, read } : learned.contract;
    this.drift.push(...learned.drift);
    for (const [column, type] of learned.filled) {
      if (!this.filled.has(column)) this.filled.set(column, type);
    }
  }

  /**
   * Null where no value of these files is to be set aside for its type; nor is one where values are taken out: of a row
   * that is set aside there nobody would know.
   */
  async #judge(catalog: Catalog, seen: readonly Observation[]): Promise<MisfitJudge | null> {
    const { source, table, learning } = this.#group;
    const { choices = NO_CHOICES } = learning ?? {};
    const isDrift = this.contract !== null;
    const isMixed = seen.some(({ columns }) => columns.some(({ mixed }) => mixed !== undefined));
    const isChosen =
      choices.size > 0 || this.contract?.columns.some(({ misfits }) => misfits !== undefined);
    const isOff = (source.read.misfits ?? 0) === 0 && isChosen !== true;
    if (isOff || !keepsOriginals(source) || (!isDrift && !isMixed && isChosen !== true))
      return null;
    const { MisfitJudge, landedValues } = await import("./misfits.ts");
    const landed = learning?.landed ?? (await landedValues(catalog, table, this.contract, seen));
    return new MisfitJudge({ source, choices, landed });
  }

  /** What a column is mostly is asked for where it keeps its type, however much is not. */
  get read(): ReadOptions {
    const { source, learning } = this.#group;
    const isKept =
      this.contract?.columns.some(({ misfits }) => misfits === "keep") === true ||
      [...(learning?.choices ?? NO_CHOICES).values()].includes("keep");
    return isKept ? { ...source.read, misfits: MOSTLY } : source.read;
  }

  /** First rows may speak for a file as long as decoding can still report the others. */
  get mayGuess(): boolean {
    return this.learns === "all" && !this.#isWhole;
  }

  /** Forgets what was guessed: the narrowest types are known from whole files alone. */
  startOver(): void {
    this.contract = null;
    this.drift = [];
    this.filled = new Map();
    this.guessed = false;
    this.#isWhole = true;
    this.#forgetMisfits();
  }

  #forgetMisfits(): void {
    this.aside = new Set();
    this.#misfits = new Map();
  }

  /** Stops learning with the contract the table already has. */
  settle(contract: Contract | null): void {
    this.learns = "nothing";
    if (contract === null) return;
    this.contract = contract;
    this.drift = [];
    this.filled = new Map();
    this.#forgetMisfits();
  }

  /** A file that could not even be looked at: without it there may be no contract, and no decoding to find it. */
  refuse(name: string, fault: FileFault): void {
    const file = this.#group.files.find((candidate) => candidate.name === name);
    if (file === undefined) return;
    this.setAside.push(asideFor(file, fault.reason, fault.message));
  }

  finish(target: LandingTable | null, outputs: readonly Decoded[]): DecodedGroup {
    const files = outputs.flatMap((output) => output.files);
    for (const file of files) {
      const claimed = this.#group.files.find((candidate) => candidate.name === file.name);
      if (file.fault === null || claimed === undefined) continue;
      this.setAside.push(asideFor(claimed, file.fault.reason, file.fault.message));
    }
    const { contract, setAside } = this;
    const drift = [...this.drift, ...this.#held.values(), ...this.#misfits.values()];
    const isText = (name: string): boolean => {
      const column = contract === null ? undefined : columnFor(contract, name);
      return column !== undefined && sameType(column.type, STRING);
    };
    const looks = [...this.looks]
      .map(([setting, names]): Look => ({ setting, columns: [...names].filter(isText) }))
      .filter(({ columns }) => columns.length > 0);
    return { contract, drift, target, outputs, files, looks, setAside };
  }
}

/** Throws `schema` for what a column, or the source, lets no file bring. */
function refuseFailing(
  source: SourceConfig,
  contract: Contract,
  seen: readonly Observation[],
): void {
  for (const { file, columns } of seen) {
    const failing = columns.filter(({ name }) => {
      const known = columnFor(contract, name);
      if (known === undefined) return source.schema === "fail";
      return columnPolicy(source, known) === "fail";
    });
    if (failing.length === 0) continue;
    const setting = source.schema === "fail" ? "schema: fail" : "on_drift: fail";
    throw refuseDrift(source.name, { file, columns: failing }, setting);
  }
}

function targetFor(
  ports: DecodePorts,
  group: DecodeGroup,
  state: GroupState,
  contract: Contract,
): LandingTable {
  return bronzeTarget(group.source, contract, group.table, state.filled, ports.random);
}

async function learnFirst(
  ports: DecodePorts,
  group: DecodeGroup,
  state: GroupState,
): Promise<void> {
  const limits = limitsFor(group, group.files);
  const seen: Inspected["files"][number][] = [];
  const look = async (files: readonly ClaimedFile[]): Promise<void> => {
    const request = { files, read: state.read, sampled: state.mayGuess, limits };
    const inspected = await ports.engine.inspect(request);
    for (const file of inspected.files) {
      if (file.dialect !== null) state.dialects.set(file.name, file.dialect);
      if (file.guessed) state.guessed = true;
      if (file.fault === null) seen.push(file);
      else state.refuse(file.name, file.fault);
    }
  };
  await guarded(ports.catalog, state, look);
  // Beside files that name their columns, one without a header is a stranger, as it is in a later batch.
  const named = seen.filter((file) => file.dialect?.header !== false);
  const known = named.length > 0 ? named : seen;
  for (const { name, looks } of known.flatMap(({ columns }) => columns)) {
    if (looks !== undefined) state.looks.set(looks, new Set(state.looks.get(looks)).add(name));
  }
  const teachers = group.source.strangers === "hold" ? acquainted(known) : known;
  if (seen.length === 0) return;
  const taught = teachers.map(({ name, columns }) => ({ file: name, columns }));
  const isAll = teachers.length === seen.length && !state.guessed;
  await state.absorb(ports.catalog, taught, isAll);
}

async function decodeAll(
  ports: DecodePorts,
  group: DecodeGroup,
  state: GroupState,
  target: LandingTable,
): Promise<Decoded[]> {
  const outputs: Decoded[] = [];
  const contract = state.contract;
  if (contract === null) return outputs;
  let part = 0;
  const decode = async (files: readonly ClaimedFile[]): Promise<void> => {
    if (files.length === 0) return;
    part += 1;
    const staging = await ports.io.stagingFolder(`${group.folder ?? group.batch}-${part}`);
    const request = requestOf(group, state, contract, { target, files, staging });
    outputs.push(await ports.engine.decode(request));
  };
  await guarded(ports.catalog, state, decode);
  return outputs;
}

/** What decoding a group asks for first, as far as that is known; null where nothing is known of its table. */
export async function firstRequest(
  ports: DecodePorts,
  group: DecodeGroup,
): Promise<DecodeRequest | null> {
  const state = new GroupState(group);
  if (state.contract === null) await learnFirst(ports, group, state);
  const { contract } = state;
  if (contract === null) return null;
  const target = targetFor(ports, group, state, contract);
  const staging = await ports.io.stagingFolder(group.folder ?? group.batch);
  return requestOf(group, state, contract, { target, files: group.files, staging });
}

function requestOf(
  group: DecodeGroup,
  state: GroupState,
  contract: Contract,
  {
    target,
    files,
    staging,
  }: { target: LandingTable; files: DecodeGroup["files"]; staging: string },
): DecodeRequest {
  return {
    batch: group.batch,
    source: group.source.name,
    ingestedAtMs: group.ingestedAtMs,
    files,
    read: state.read,
    dialects: files.map((file) => state.dialects.get(file.name) ?? null),
    schema: landedSchema(target),
    columns: decodeColumns(group.source, contract, state.aside),
    redacted: Object.keys(group.source.beforeLanding).length > 0,
    onMisfit: state.learns === "all" ? "report" : "quarantine",
    onFirst: state.learns === "nothing" ? "quarantine" : "report",
    onUnknown: unknownPolicy(group.source, state.learns !== "all"),
    onStranger: group.source.schema === "fail" ? "report" : "quarantine",
    holdsStrangers: group.source.strangers === "hold" && state.learns === "all",
    spec: target.spec,
    rejectSchema: group.quarantine.schema,
    fixes: fixesOf(group, files),
    tellRejects: group.tellRejects === true,
    countsValues: group.learning !== undefined,
    staging,
    limits: limitsFor(group, files),
  };
}

/** Those of these files, and those that may be of any. */
function fixesOf(group: DecodeGroup, files: readonly ClaimedFile[]): RowFix[] {
  if (group.fixes.length === 0) return [];
  const bySha256 = Map.groupBy(files, (file) => file.sha256);
  const placeOf = (batch: string, file: string): string => `${batch}\n${file}`;
  const byPlace = Map.groupBy(files, ({ landsAs, name }) =>
    placeOf(landsAs?.batch ?? group.batch, name),
  );
  return group.fixes.flatMap(({ id, raw, place }): RowFix[] => {
    if (place === null) return [{ id, raw, place }];
    const { of, sha256, position } = place;
    const own = of === null ? bySha256.get(sha256) : byPlace.get(placeOf(of.batch, of.file));
    return (own ?? []).map(({ name }) => ({ id, raw, place: { file: name, position } }));
  });
}

function unknownPolicy(source: SourceConfig, settled: boolean): DecodeRequest["onUnknown"] {
  if (source.schema === "ignore") return "rescue";
  if (source.schema === "quarantine") return "quarantine";
  return settled ? "quarantine" : "report";
}

/** A column that would need more rewriting than the limit stays as it is; its misfits are set aside. */
function rewriteTooLarge(group: DecodeGroup, target: LandingTable): boolean {
  if (group.table === null || (target.evolution?.retyped.length ?? 0) === 0) return false;
  const total = Number(group.table.current?.summary["total-files-size"] ?? "0");
  return total > REWRITE_BYTES_MAX;
}

/** A column that the table is partitioned by keeps its id: the spec names it by that. */
function losesPartition(target: LandingTable): boolean {
  const ids = new Set(target.schema.fields.map((field) => field.id));
  return target.spec.fields.some((field) => !ids.has(field.sourceId));
}

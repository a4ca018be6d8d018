/**
 * A source read again: every file that ever landed, and is not replaced or withdrawn, decoded anew as tarn.yaml says
 * now. What was learned of it before is forgotten; its rows keep their batches and places. One commit, or none.
 */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import { publish } from "../table/publish.ts";
import { sameType, typeToText } from "../table/type-text.ts";
import type { Table } from "../table/types.ts";
import { type LandingTable, rereadTarget } from "./bronze-table.ts";
import type { Contract, SourceConfig } from "./contract.ts";
import { declaredContract, withChosenNames } from "./contract-rules.ts";
import type { DecodedGroup } from "./decode-group.ts";
import { mayEvolve } from "./drift-policy.ts";
import { lastVersions } from "./file-versions.ts";
import type { EngineBudget, LandingPorts } from "./landing.ts";
import type { LedgerFile, QuarantineEvent, Reading } from "./ledger.ts";
import type { MisfitChoices } from "./misfits.ts";
import {
  joined,
  NOTHING_CHANGED,
  type Redecoded,
  redecoded,
  redecodeJob,
  refuseRedacted,
  requireTable,
  rowsOf,
} from "./originals.ts";
import { rowId, WHOLE_FILE } from "./quarantine.ts";
import {
  hasOriginal,
  type RedecodeJob,
  recordedContract,
  recordedSource,
  redecode,
} from "./redecode.ts";
import { nextStandIn, republish, type StandIn } from "./republish.ts";

/** A column of the table before and after; null where it is not. */
export interface RereadColumn {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Reread {
  /** Null for a dry run. */
  readonly commit: bigint | null;
  readonly files: number;
  /** Contents that a later one of their name takes the place of now (`same_name: replace`); their rows leave. */
  readonly replaced: number;
  readonly columns: readonly RereadColumn[];
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  readonly asideBefore: number;
  readonly asideAfter: number;
  /** Rows that were set aside and land now, and the other way round; known of a dry run alone. */
  readonly moves: { readonly landing: number; readonly leaving: number } | null;
}

/** The contract that files are decoded under; null where none of them can be read. */
export type ContractOf = (
  job: RedecodeJob,
  files: readonly LedgerFile[],
) => Promise<Contract | null>;

export interface RereadOptions {
  readonly dryRun: boolean;
  readonly why: string;
  /** Absent: what the files teach. */
  readonly contractOf?: ContractOf;
}

/**
 * Throws `unsupported` for a source that keeps no originals, `schema` where rows that do not come from it (of another
 * engine, or of a source by another name) do not fit its new types, `conflict` when a foreign writer keeps winning.
 */
export async function rereadSource(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  options: RereadOptions,
): Promise<Reread> {
  refuseRedacted(config);
  const attempt = () => rereadOnce(ports, config, budget, options);
  return await publish({ what: config.into, hint: NOTHING_CHANGED, attempt });
}

async function rereadOnce(
  ports: LandingPorts,
  config: SourceConfig,
  budget: EngineBudget,
  options: RereadOptions,
): Promise<Reread | null> {
  const { ledger } = ports.catalog;
  const job = await redecodeJob(ports, config, budget);
  const table = requireTable(job);
  const live = await ledger.files({ source: config.name, live: true });
  const before = live.filter(hasOriginal);
  const isAlone = !(await hasOthers(job, table, before));
  const { files, contract, target, made } = await readAnew(
    job,
    table,
    before,
    isAlone,
    options.contractOf ?? contractAnew,
  );
  const replaced = before.filter((file) => !files.includes(file));
  const report = reportOf(table, target, made, replaced);
  if (options.dryRun) return { ...report, commit: null, moves: await movesOf(job, files, made) };
  const standIn = await nextStandIn(ports, config.name);
  const stored = await ledger.contract(config.name);
  const leaving = before.map(rowsOf);
  const commit = await republish(ports, budget, {
    config,
    kind: "replay",
    message: `${options.why}: ${counted(files.length, "original")} of ${config.name}`,
    summary: { "tarn.replay": "reread" },
    bronze: { target, leaving, staged: made.redecoded.data },
    aside: { target: job.quarantine, leaving, staged: made.redecoded.rejects },
    standIn,
    files: made.redecoded.files.map(({ after }) => ({ ...after, batch: standIn.batch })),
    replaces: before,
    contract: stored?.version === contract.version ? null : contract,
    fixes: [],
    events: await reopened(ports, made, standIn),
  });
  return commit === null ? null : { ...report, commit, moves: null };
}

interface ReadAnew {
  /** Those that stay. */
  readonly files: readonly LedgerFile[];
  readonly contract: Contract;
  readonly target: LandingTable;
  readonly made: Made;
}

/**
 * Decodes what stays under tarn.yaml as it is. Which version of a name can be read now is known once it was tried: one
 * that is set aside whole replaces nothing, and those before it are read too. Throws `input` where none can be read.
 */
async function readAnew(
  job: RedecodeJob,
  table: Table,
  before: readonly LedgerFile[],
  isAlone: boolean,
  contractOf: ContractOf,
): Promise<ReadAnew> {
  const { config } = job;
  const isReplacing = config.sameName === "replace";
  const unreadable = new Set<LedgerFile>();
  for (;;) {
    const files = isReplacing ? lastVersions(before, (file) => !unreadable.has(file)) : before;
    const contract = await contractOf(job, files);
    let refused = files;
    if (contract !== null) {
      const target = rereadTarget(config, contract, table, !isAlone);
      const made = await decodeAll(job, target, contract, files);
      const aside = made.redecoded.files.filter(({ after }) => after.outcome === "quarantined");
      refused = aside.map((pair) => pair.before);
      if (!isReplacing || refused.every((file) => unreadable.has(file))) {
        return { files, contract, target, made };
      }
    } else if (!isReplacing || files.every((file) => unreadable.has(file))) {
      throw new LakeError("input", `no original of ${config.name} can be read as tarn.yaml says`, {
        hint: "nothing was changed; see what it says of format, encoding, header and sheet",
      });
    }
    for (const file of refused) unreadable.add(file);
  }
}

/**
 * What the files teach under tarn.yaml as it is, in the order that they landed in; null where none can be read. What
 * was chosen for values that do not fit stays.
 */
export async function contractAnew(
  job: RedecodeJob,
  files: readonly LedgerFile[],
  chosen?: MisfitChoices,
): Promise<Contract | null> {
  const { ports, config } = job;
  const stored = await ports.catalog.ledger.contract(config.name);
  const isChosen = stored?.columns.some(({ misfits }) => misfits !== undefined) === true;
  const choices =
    chosen ?? (isChosen ? (await import("./misfits.ts")).choicesOf(stored) : undefined);
  let contract = declaredContract(config, stored);
  if (contract === null || config.schema === "fail" || mayEvolve(config)) {
    const blank = { ...job, table: null };
    const landed = new Map<string, number>();
    for (const part of byBatch(files)) {
      const learning = { choices, landed };
      const how = { files: part, contract, source: config, fixes: [], asRecorded: false, learning };
      const group = await redecode(blank, how);
      contract = group.contract ?? contract;
      for (const [name, count] of group.outputs.flatMap(({ values = {} }) =>
        Object.entries(values),
      )) {
        landed.set(name, (landed.get(name) ?? 0) + count);
      }
    }
  }
  if (contract === null) return null;
  const named = withChosenNames(contract, stored);
  return { ...named, read: config.read, version: (stored?.version ?? 0) + 1 };
}

interface Made {
  readonly redecoded: Redecoded;
  readonly groups: readonly {
    readonly files: readonly LedgerFile[];
    readonly group: DecodedGroup;
  }[];
}

async function decodeAll(
  job: RedecodeJob,
  target: LandingTable,
  contract: Contract,
  files: readonly LedgerFile[],
): Promise<Made> {
  const { config, ports } = job;
  const fixes = await ports.catalog.ledger.fixes(config.name);
  const table = target.table === null ? null : { ...target.table, schema: target.schema };
  const parts: Redecoded[] = [];
  const groups: Made["groups"][number][] = [];
  for (const part of byBatch(files)) {
    const source = recordedSource(config, contract);
    const how = { files: part, contract, source, fixes, asRecorded: false, isSettled: true };
    const group = await redecode({ ...job, table }, how);
    groups.push({ files: part, group });
    const forgotten = part.map((file) => ({
      ...file,
      reading: pieceOf(file.reading),
      contractVersion: contract.version,
    }));
    const made = await redecoded(job, forgotten, group);
    const pairs = made.files.map(({ after }, index) => ({ before: part[index] ?? after, after }));
    parts.push({ ...made, files: pairs });
  }
  return { redecoded: joined(parts), groups };
}

/** What is forgotten is how a file was read, and not which piece of it is left. */
function pieceOf(reading: Reading | null): Reading | null {
  const isPiece = (reading?.toByte ?? null) !== null;
  return reading === null || !isPiece ? null : { ...reading, dialect: null, columns: null };
}

function byBatch(files: readonly LedgerFile[]): LedgerFile[][] {
  const groups = [...Map.groupBy(files, ({ landsAs }) => landsAs)];
  return groups.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, part]) => part);
}

/** Rows of the table that this source does not read again. */
async function hasOthers(
  { ports }: RedecodeJob,
  table: Table,
  files: readonly LedgerFile[],
): Promise<boolean> {
  const scan = await ports.catalog.scan(table, table.current);
  const rows = scan.files.reduce((sum, { file }) => sum + file.recordCount, 0n);
  const own = files.reduce((sum, file) => sum + file.rowsLanded, 0);
  return scan.deletes.length > 0 || rows !== BigInt(own);
}

function reportOf(
  table: Table,
  target: LandingTable,
  { redecoded: made }: Made,
  replaced: readonly LedgerFile[],
) {
  const shown = (schema: Table["schema"]) =>
    new Map(schema.fields.map(({ name, type }) => [name, type]));
  const [before, after] = [shown(table.schema), shown(target.schema)];
  const columns = [...new Set([...before.keys(), ...after.keys()])].flatMap(
    (name): RereadColumn[] => {
      const [from, to] = [before.get(name), after.get(name)];
      if (from !== undefined && to !== undefined && sameType(from, to)) return [];
      const text = (type: typeof from) => (type === undefined ? null : typeToText(type));
      return [{ name, before: text(from), after: text(to) }];
    },
  );
  const was = [...made.files.map((pair) => pair.before), ...replaced];
  const is = made.files.map((pair) => pair.after);
  const sum = (files: readonly LedgerFile[], pick: (file: LedgerFile) => number): number =>
    files.reduce((total, file) => total + pick(file), 0);
  return {
    files: is.length,
    replaced: replaced.length,
    columns,
    rowsBefore: sum(was, ({ rowsLanded }) => rowsLanded),
    rowsAfter: sum(is, ({ rowsLanded }) => rowsLanded),
    asideBefore: sum(was, ({ rowsQuarantined }) => rowsQuarantined),
    asideAfter: sum(is, ({ rowsQuarantined }) => rowsQuarantined),
  };
}

/** Rows that change sides: where the files are read as they were, and as they would be. */
async function movesOf(
  job: RedecodeJob,
  files: readonly LedgerFile[],
  made: Made,
): Promise<NonNullable<Reread["moves"]>> {
  const fixes = await job.ports.catalog.ledger.fixes(job.config.name);
  const before = new Set<string>();
  for (const file of files) {
    const contract = await recordedContract(job, file);
    const source = recordedSource(job.config, contract);
    const how = { files: [file], contract, source, fixes, asRecorded: true };
    for (const id of idsOf([file], await redecode(job, how))) before.add(id);
  }
  const after = new Set(made.groups.flatMap(({ files: part, group }) => idsOf(part, group)));
  return {
    landing: [...before].filter((id) => !after.has(id)).length,
    leaving: [...after].filter((id) => !before.has(id)).length,
  };
}

/** Ids of what was set aside. */
function idsOf(files: readonly LedgerFile[], group: DecodedGroup): string[] {
  return files.flatMap(({ landsAs, file }) => {
    const isAside = group.setAside.some((aside) => aside.file.name === file);
    const decoded = group.files.find(({ name }) => name === file);
    const positions = isAside ? [WHOLE_FILE] : (decoded?.rejected ?? []);
    return positions.map((position) => rowId(landsAs, file, position));
  });
}

/** Rows that were retried, and do not fit any more: they are open again. */
async function reopened(
  ports: LandingPorts,
  { groups }: Made,
  { batch }: StandIn,
): Promise<QuarantineEvent[]> {
  const events = await ports.catalog.ledger.quarantineEvents();
  const closed = new Set(
    events
      .filter(({ status }) => status === "fixed" || status === "superseded")
      .map(({ id }) => id),
  );
  const timeMs = ports.clock.nowMs();
  return groups
    .flatMap(({ files, group }) => idsOf(files, group))
    .filter((id) => closed.has(id))
    .map((id) => ({ id, status: "open", timeMs, batch, note: "read again" }));
}

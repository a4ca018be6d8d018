/**
 * The contract that a batch is decoded under, the one that it leaves behind, and what tarn.yaml says otherwise than how
 * earlier rows were read.
 */

import { LakeError } from "../base/errors.ts";
import { counted } from "../base/quantity.ts";
import type { Catalog } from "../ports.ts";
import { sameType, typeToText } from "../table/type-text.ts";
import type { Table } from "../table/types.ts";
import type { Contract, ContractColumn, ReadOptions, SourceConfig } from "./contract.ts";
import {
  columnFor,
  contractDiffers,
  declaredContract,
  learnedFrom,
  widen,
  withoutDeclared,
} from "./contract-rules.ts";
import type { DecodedGroup } from "./decode-group.ts";

/** The stored contract, or what became of it where tarn.yaml was edited since; null before the first file. */
export async function currentContract(
  catalog: Catalog,
  config: SourceConfig,
): Promise<Contract | null> {
  const stored = await catalog.ledger.contract(config.name);
  const contract = withColumns(stored, config);
  if (stored === null || contract === null) return contract;
  const isSame = stored.read !== null && readingDifferences(stored.read, config.read).length === 0;
  if (isSame) return contract;
  return { ...contract, read: config.read, version: stored.version + 1 };
}

/**
 * The versions that a contract of the source has to be compatible with; none where it may change in every way. Throws
 * `schema` where tarn.yaml states one that may not follow them.
 */
export async function versionsFor(
  catalog: Catalog,
  config: SourceConfig,
  next: Contract | null,
): Promise<readonly Contract[]> {
  const { compatibility = "none" } = config;
  if (compatibility === "none") return [];
  const stored = await catalog.ledger.contracts(config.name);
  const versions = stored.map(({ contract }) => contract);
  if (next === null || versions.at(-1)?.version === next.version) return versions;
  const { breakText, incompatibilities } = await import("../contract/compatibility.ts");
  const [first, ...others] = incompatibilities(next, versions, compatibility);
  if (first === undefined) return versions;
  const more = others.length === 0 ? "" : `, and ${counted(others.length, "more reason")}`;
  throw new LakeError(
    "schema",
    `the contract of ${config.name} may not follow version ${first.version} (${compatibility}): ` +
      `${breakText(first)}${more}`,
    {
      hint: `nothing was landed: see tarn plan; take it back, or read all again under it: tarn reread ${config.name}`,
      context: { source: config.name },
    },
  );
}

/** The settings that files are read otherwise by; what an older version did not know counts where it is said now. */
export function readingDifferences(stored: ReadOptions, now: ReadOptions): string[] {
  const before: ReadonlyMap<string, unknown> = new Map(Object.entries(stored));
  return Object.entries(now)
    .filter(([key, value]) => {
      const isUnknown = !before.has(key);
      const isSaid = typeof value === "string" || Array.isArray(value);
      return isUnknown ? isSaid : textOf(before.get(key)) !== textOf(value);
    })
    .map(([key]) => key);
}

function textOf(value: unknown): string {
  return JSON.stringify(value);
}

function withColumns(stored: Contract | null, config: SourceConfig): Contract | null {
  const declared = declaredContract(config, stored);
  if (declared === null) return stored === null ? null : withoutDeclared(stored);
  if (stored === null) return declared;
  if (!contractDiffers(stored, declared)) return stored;
  const names = new Set(declared.columns.map((column) => column.name));
  const learned = stored.columns
    .filter((column) => !names.has(column.name) && (!column.declared || config.schema === "evolve"))
    .map(learnedFrom);
  const storedByName = new Map(stored.columns.map((column) => [column.name, column]));
  const columns = declared.columns.map((column) =>
    begunAgain(storedByName.get(column.name), column),
  );
  return { ...declared, version: stored.version + 1, columns: [...columns, ...learned] };
}

/** A column that takes wider types keeps the one that it has come to. */
function begunAgain(stored: ContractColumn | undefined, column: ContractColumn): ContractColumn {
  if (column.begun === undefined || stored === undefined || stored.unseen) return column;
  return { ...column, type: widen(column.begun, stored.type) };
}

/** What was learned beyond the stored contract; null where it is that one. */
export function newContract(
  stored: Contract | null,
  group: Pick<DecodedGroup, "contract">,
): Contract | null {
  if (group.contract === null) return null;
  return stored?.version === group.contract.version ? null : group.contract;
}

/** Words of tarn.yaml for settings that are called otherwise here. */
const WORDS: Readonly<Record<string, string>> = { headerRow: "header_row", names: "columns" };

/**
 * What only a reread brings about: one line each, without an end; empty where it would change nothing that is known
 * beforehand.
 */
export async function declaredOtherwise(
  catalog: Catalog,
  config: SourceConfig,
): Promise<readonly string[]> {
  const table = await catalog.load(config.into);
  if (table === null) return [];
  return [
    ...typesOtherwise(table, config),
    ...(await readOtherwise(catalog, config)),
    ...(await versionsOtherwise(catalog, config)),
  ];
}

/** Contents that stand beside a later one of their name, where that is to take their place. */
async function versionsOtherwise(catalog: Catalog, config: SourceConfig): Promise<string[]> {
  if (config.sameName !== "replace") return [];
  const { lastVersions } = await import("./file-versions.ts");
  const live = await catalog.ledger.files({ source: config.name, live: true });
  const earlier = live.length - lastVersions(live).length;
  if (earlier === 0) return [];
  const verb = earlier === 1 ? "stands" : "stand";
  return [`${counted(earlier, "earlier version")} ${verb} beside the last one of the same name`];
}

/** Declared types that the table does not have. */
function typesOtherwise(table: Table, { declared, into, onDrift }: SourceConfig): string[] {
  const fields = new Map(table.schema.fields.map(({ name, type }) => [name, type]));
  return (declared ?? []).flatMap(({ name, type }) => {
    const is = fields.get(name);
    if (is === undefined || sameType(is, type)) return [];
    if (onDrift?.[name] === "evolve" && sameType(widen(type, is), is)) return [];
    return [`${name} is declared ${typeToText(type)}, and is ${typeToText(is)} in ${into}`];
  });
}

/** Settings and columns by which some of the files would be read otherwise. */
async function readOtherwise(catalog: Catalog, config: SourceConfig): Promise<string[]> {
  const settings = new Set<string>();
  const gone = new Set<string>();
  const called = new Map<string, string>();
  const now = await catalog.ledger.contract(config.name);
  const isClosed = config.declared !== null && config.schema !== "evolve";
  const declared = new Set(config.declared?.map(({ name }) => name));
  for (const { contractVersion, hasNames } of await catalog.ledger.readings(config.name)) {
    const contract = await catalog.ledger.contract(config.name, contractVersion);
    if (contract === null) continue;
    for (const key of settingsOf(contract, config)) {
      if (key !== "names" || !hasNames) settings.add(WORDS[key] ?? key);
    }
    for (const { name } of contract.columns) if (isClosed && !declared.has(name)) gone.add(name);
    for (const [name, other] of calledOtherwise(contract, now)) called.set(name, other);
  }
  const said = [
    ...[...settings].map((key) => `${key} is not what its files were read by`),
    ...[...called].map(([name, other]) => `${name} of some of its rows is called ${other} by now`),
  ];
  return [...said, ...[...gone].map((name) => `${name} is not declared, and is in ${config.into}`)];
}

/** Columns that were called otherwise since, or are so again: rows of before came back by a restore. */
function calledOtherwise(then: Contract, now: Contract | null): [string, string][] {
  return then.columns.flatMap(({ name, source, renamed }): [string, string][] => {
    const known = now === null ? undefined : columnFor(now, source);
    const isChosen = known !== undefined && (known.renamed ?? renamed) === true;
    return isChosen && known.name !== name ? [[name, known.name]] : [];
  });
}

function settingsOf({ read }: Contract, config: SourceConfig): string[] {
  return read === null ? [] : readingDifferences(read, config.read);
}

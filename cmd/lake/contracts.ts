/** Contracts of what lands: their versions, what changed between them, and documents of them. */

import { resolve } from "node:path";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { JsonObject } from "../../core/base/json.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { type Incompatibility, incompatibilities } from "../../core/contract/compatibility.ts";
import { type Difference, differencesOf } from "../../core/contract/differences.ts";
import { toJsonSchema } from "../../core/contract/json-schema.ts";
import type { Compatibility } from "../../core/contract/modes.ts";
import { toOdcs } from "../../core/contract/odcs.ts";
import { currentContract } from "../../core/ingest/current-contract.ts";
import type { ContractVersion } from "../../core/ingest/ledger.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { sourceConfigs } from "./sources.ts";

/** A version, and what it changed; nothing is changed by the first. */
export interface ContractEntry extends ContractVersion {
  readonly differences: readonly Difference[];
}

export interface ContractHistory {
  readonly source: string;
  readonly table: TableName;
  /** The first first. */
  readonly entries: readonly ContractEntry[];
}

/**
 * All versions of the contract that lands in a table, or of a source. Throws `not-found` with the nearest right name,
 * and `usage` where several sources landed in the table.
 */
export async function contractHistory(session: Session, asked: string): Promise<ContractHistory> {
  const source = await sourceNamed(session, asked);
  const versions = await session.catalog.ledger.contracts(source);
  const last = versions.at(-1);
  if (last === undefined) {
    throw new LakeError("not-found", `nothing of ${source} has landed: there is no contract yet`, {
      hint: "run: tarn build",
    });
  }
  const entries = versions.map((version, index) => {
    const before = versions[index - 1];
    const differences =
      before === undefined ? [] : differencesOf(before.contract, version.contract);
    return { ...version, differences };
  });
  return { source, table: last.table, entries };
}

/** One version of it; the last where none is named. Throws `not-found` that says which there are. */
export async function contractVersion(
  session: Session,
  asked: string,
  version: number | null,
): Promise<ContractHistory & { readonly entry: ContractEntry }> {
  const history = await contractHistory(session, asked);
  const versions = history.entries.map(({ contract }) => contract.version);
  const entry =
    version === null
      ? history.entries.at(-1)
      : history.entries.findLast(({ contract }) => contract.version === version);
  if (entry !== undefined) return { ...history, entry };
  throw new LakeError("not-found", `the contract of ${history.source} has no version ${version}`, {
    hint: `its versions are ${versions[0]} to ${versions.at(-1)}: tarn contract log ${asked}`,
  });
}

/** The formats of documents: of the Open Data Contract Standard, or JSON Schema. */
export const DOCUMENT_FORMATS = ["odcs", "json-schema"] as const;
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];

/** A version as a document that others read. */
export async function exportedContract(
  session: Session,
  request: {
    readonly table: string;
    readonly version: number | null;
    readonly format: DocumentFormat;
  },
): Promise<JsonObject> {
  const { entry, table } = await contractVersion(session, request.table, request.version);
  if (request.format === "json-schema") return toJsonSchema(entry.contract, table);
  const found = await session.catalog.load(table);
  return toOdcs(entry.contract, { table, id: found?.uuid ?? session.catalog.lakeId });
}

export interface ContractCheck {
  readonly source: string;
  readonly table: TableName;
  /** The version that it was held against. */
  readonly version: number;
  readonly mode: Compatibility;
  readonly differences: readonly Difference[];
  /** Why it may not follow; empty where it may. */
  readonly incompatibilities: readonly Incompatibility[];
  readonly warnings: readonly LakeError[];
}

/** A document held against what has landed, as if it were its next version. Throws what is wrong with the document. */
export async function checkedContract(
  session: Session,
  request: { readonly file: string; readonly against: string; readonly mode: Compatibility | null },
): Promise<ContractCheck> {
  const { source, table, entries } = await contractHistory(session, request.against);
  const names = [table, table.slice(table.indexOf(".") + 1), source];
  const { readContractFile } = await import("../project/contract-file.ts");
  const { stated, errors, warnings } = readContractFile(resolve(request.file), request.file, names);
  if (stated === null) throw new AggregateError(errors);
  const versions = entries.map(({ contract }) => contract);
  const last = must(versions.at(-1), "a history has a version");
  const mode = request.mode ?? (await compatibilityOf(session, source));
  const next = { ...last, columns: stated.columns, version: last.version + 1 };
  return {
    source,
    table,
    version: last.version,
    mode,
    // That a document declares its columns is no difference of what it says.
    differences: differencesOf(last, next).filter(({ kind }) => kind !== "declared"),
    incompatibilities: incompatibilities(next, versions, mode),
    warnings,
  };
}

/** A contract that comes with the next files of its source. */
export interface PendingContract {
  readonly table: TableName;
  readonly source: string;
  /** Of what there is. */
  readonly version: number;
  readonly mode: Compatibility;
  readonly differences: readonly Difference[];
  readonly incompatibilities: readonly Incompatibility[];
}

/** What tarn.yaml states of contracts, and is not what landed; as of the last listing of the drops. */
export async function pendingContracts(session: Session): Promise<readonly PendingContract[]> {
  const { ledger } = session.catalog;
  const found: PendingContract[] = [];
  for (const config of await sourceConfigs(session)) {
    const stored = await ledger.contract(config.name);
    const next = await currentContract(session.catalog, config);
    if (stored === null || next === null || next.version === stored.version) continue;
    // How files are read otherwise is for a reread to say.
    const differences = differencesOf(stored, next).filter(({ kind }) => kind !== "reading");
    if (differences.length === 0) continue;
    const mode = config.compatibility ?? "none";
    const versions = (await ledger.contracts(config.name)).map(({ contract }) => contract);
    found.push({
      table: config.into,
      source: config.name,
      version: stored.version,
      mode,
      differences,
      incompatibilities: incompatibilities(next, versions, mode),
    });
  }
  return found;
}

/** As tarn.yaml says; where it says nothing, what registries ask then. */
async function compatibilityOf(session: Session, source: string): Promise<Compatibility> {
  await (await session.drops()).refresh();
  const config = (await sourceConfigs(session)).find(({ name }) => name === source);
  return config?.compatibility ?? "backward";
}

/** A source by its name, or by the table that it lands in. */
async function sourceNamed(session: Session, asked: string): Promise<string> {
  const landed = await session.catalog.ledger.sources();
  const wanted = [asked, `bronze.${asked}`].map((name) => name.toLowerCase());
  const named = landed.filter(({ source }) => source === asked);
  const found =
    named.length > 0 ? named : landed.filter(({ table }) => wanted.includes(table.toLowerCase()));
  const sources = [...new Set(found.map(({ source }) => source))];
  const [only, ...others] = sources;
  if (only === undefined) {
    const near = nearestWord(asked, [
      ...landed.map(({ source }) => source),
      ...landed.map(({ table }) => table),
    ]);
    throw new LakeError("not-found", `nothing has landed in a table "${asked}"`, {
      hint: near === null ? "contracts are of what lands; see: tarn ls" : `did you mean "${near}"?`,
    });
  }
  if (others.length === 0) return only;
  throw new LakeError("usage", `several sources have landed in ${asked}`, {
    hint: `name one of them: ${sources.join(", ")}`,
  });
}

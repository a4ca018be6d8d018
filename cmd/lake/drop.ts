/** Tables taken out of the lake, and brought back. */

import { LakeError } from "../../core/base/errors.ts";
import { SEEDS_FOLDER } from "../../core/config/default-source.ts";
import { quarantineTable, writerOfQuarantine } from "../../core/ingest/quarantine.ts";
import { heldLate, LATE_COLUMNS, lateTable } from "../../core/model/closing-request.ts";
import { TableNames } from "../../core/model/table-names.ts";
import type { DroppedTable } from "../../core/ports.ts";
import { isSeedTable } from "../../core/table/name.ts";
import { untilFirst } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { sourceTables } from "./drops.ts";

export interface DropAsked {
  readonly table: string;
  /** Even while models read it, and with rows that landed. */
  readonly force: boolean;
}

export interface Dropped {
  /** With what it had set aside. */
  readonly tables: readonly TableName[];
  readonly commit: bigint;
  /** Models that read it and keep what they hold. */
  readonly readers: readonly TableName[];
}

/**
 * Takes a table out in one commit. Throws `usage` for one that a model or a source makes, `conflict` for one that is
 * read, or holds rows that landed, unless it is forced.
 */
export async function dropOf(session: Session, { table, force }: DropAsked): Promise<Dropped> {
  return await dropNamed(session, await session.tableName(table), force);
}

/** The same of a table by its full name. */
export async function dropNamed(
  session: Session,
  name: TableName,
  force: boolean,
): Promise<Dropped> {
  const heads = new Set((await session.catalog.tables()).map((head) => head.name));
  if (!heads.has(name)) throw new LakeError("not-found", `${name} has no table`, WHICH);
  const sources = await sourceTables(session.root, session.config);
  refuseMade(session, sources, name, heads);
  // In a namespace of several levels nothing of ours is set aside.
  const aside = name.split(".").length === 2 ? quarantineTable(name) : null;
  const late = await lateOf(session, name);
  const tables = [name, aside, late].flatMap((one) =>
    one !== null && heads.has(one) ? [one] : [],
  );
  const readers = await readersOf(session, tables);
  if (readers.length > 0 && !force) {
    throw new LakeError("conflict", `${name} is read by ${readers.join(", ")}`, {
      hint: `let them read another table first, or leave them without it: tarn drop ${name} --force`,
    });
  }
  const batches = await session.catalog.ledger.batches({ table: name });
  const live = batches.filter((batch) => batch.commit !== null && batch.withdrawnBy === null);
  if (live.length > 0 && !force && !isSeedTable(name)) {
    throw new LakeError("conflict", `${name} holds rows that landed`, {
      hint: `their files would not be landed again; to drop it all the same: tarn drop ${name} --force`,
    });
  }
  const request = {
    tables,
    withdrawn: live.map((batch) => batch.batch),
    message: `${tables.join(", ")} dropped`,
  };
  const commit = await untilFirst(() => session.catalog.drop(request), session.ports);
  if (commit !== null) return { tables, commit, readers };
  throw new LakeError("conflict", `${name} keeps being changed by another writer`, {
    hint: "nothing was changed; run it again when the other writer is done",
  });
}

/** What came too late for a model whose windows closed; null where its table is another one. */
async function lateOf({ catalog, project }: Session, name: TableName): Promise<TableName | null> {
  const late = lateTable(name);
  if (project.models.some((model) => model.name === late)) return null;
  const names = (await catalog.load(late))?.schema.fields.map((field) => field.name) ?? [];
  return LATE_COLUMNS.every((column) => names.includes(column.name)) ? late : null;
}

/** The dropped table that a name means, where no table of the lake has it; null when there is none. */
export async function droppedTable(session: Session, text: string): Promise<DroppedTable | null> {
  const tables = (await session.catalog.tables()).map((head) => head.name);
  if (new TableNames(tables).lookUp(text).kind === "table") return null;
  const dropped = await session.catalog.dropped();
  const resolved = new TableNames(dropped.map((one) => one.name)).lookUp(text);
  if (resolved.kind !== "table") return null;
  return dropped.find((one) => one.name === resolved.name) ?? null;
}

const WHICH = { hint: "see: tarn ls" };

/** What is made would be made again by the next build. */
function refuseMade(
  session: Session,
  sources: ReadonlyMap<TableName, string>,
  name: TableName,
  heads: ReadonlySet<TableName>,
): void {
  const model = session.project.models.find((candidate) => candidate.name === name);
  if (model !== undefined) {
    throw new LakeError("usage", `${name} is made by ${model.file}, and would be made again`, {
      hint: "remove the model first",
    });
  }
  const late = heldLate(session.project.models, name, `${name} cannot be dropped`);
  if (late !== null) throw late;
  const source = sources.get(name);
  if (source !== undefined && isSeedTable(name)) {
    throw new LakeError(
      "usage",
      `${name} is a file below ${SEEDS_FOLDER}/, and would be made again`,
      {
        hint: "remove the file first",
      },
    );
  }
  if (source !== undefined) {
    throw new LakeError("usage", `${name} is what the source ${source} lands in`, {
      hint: `remove its folder below drops/, or its entry in tarn.yaml, first`,
    });
  }
  const writer = name.split(".").length === 2 ? writerOfQuarantine(name) : null;
  if (writer === null || !heads.has(writer)) return;
  throw new LakeError("usage", `${name} is what ${writer} sets aside`, {
    hint: `its rows are dropped with: tarn quarantine drop ${writer}`,
  });
}

/** Models that name one of the tables; by each alone, as a set may be invalid for the very table that is to go. */
export async function readersOf(
  session: Session,
  tables: readonly TableName[],
): Promise<readonly TableName[]> {
  const { models } = session.project;
  if (models.length === 0) return [];
  const heads = (await session.catalog.tables()).map((head) => head.name);
  const known = [...(await sourceTables(session.root, session.config)).keys(), ...heads];
  const names = new TableNames([...known, ...models.map((model) => model.name)]);
  const readers: TableName[] = [];
  for (const model of models) {
    const request = { sql: model.sql, conditions: [] };
    const analysis = await session.ports.engine.analyze(request).catch(() => null);
    const isReader = analysis?.tables.some(({ name, isOneWord }) => {
      const resolved = names.lookUp(name, isOneWord);
      return resolved.kind === "table" && tables.includes(resolved.name);
    });
    if (isReader === true) readers.push(model.name);
  }
  return readers;
}

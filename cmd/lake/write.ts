/** Statements that change tables: which tables take them, and their commit. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { isQuarantineTable, writerOfQuarantine } from "../../core/ingest/quarantine.ts";
import { heldLate } from "../../core/model/closing-request.ts";
import { isInlined } from "../../core/model/model.ts";
import { TableNames } from "../../core/model/table-names.ts";
import type { VersionRef } from "../../core/table/commit.ts";
import { isNamePart } from "../../core/table/name.ts";
import { BRONZE_COLUMNS } from "../../core/table/system-columns.ts";
import type { Schema, TableName } from "../../core/table/types.ts";
import { commitWrites, type Written } from "../../core/table/write.ts";
import type { ChangeKind, OpenedTable } from "../../sql/dml/lake-writer.ts";
import type { Session } from "../open.ts";
import { versionRef } from "./moments.ts";
import { fromWire, type WireWrite } from "./write-wire.ts";

/** Where a statement that changes a table begins. */
export interface Opening {
  readonly name: string;
  readonly kind: ChangeKind;
  /** As it stands in errors: `DELETE from`. */
  readonly verb: string;
  /** When the transaction began; null: it is as it is now. */
  readonly asOf: string | null;
  /** The branch that it is done on; null: main. */
  readonly branch: string | null;
}

/** Namespaces that are no layer: the system's, and the engine's own. */
const NOT_LAYERS: ReadonlySet<string> = new Set(
  "lake information_schema pg_catalog temp main system memory".split(" "),
);
/** What a replay makes beside the tables. docs/decisions/0003. */
const REPLAYED = "_replay";

/** The table as it is now, if it takes such a change; null when there is none. Throws as LakeWriter.open. */
export async function openedTable(
  session: Session,
  { name, kind, verb, asOf, branch }: Opening,
): Promise<OpenedTable | null> {
  const { catalog } = session;
  const heads = await catalog.tables();
  const views = session.project.models.filter((model) => isInlined(model.kind));
  const names = new TableNames([...heads, ...views].map((one) => one.name));
  const found = names.lookUp(name);
  if (found.kind === "ambiguous") {
    throw new LakeError("sql", `"${name}" is ambiguous: ${found.names.join(", ")}`, {
      hint: `write ${found.names[0] ?? name} or one of the others`,
      page: "T0204",
    });
  }
  if (found.kind === "other" || /^(lake|information_schema)\./i.test(name)) {
    throw new LakeError("unsupported", `${verb} ${name}: it is no table that could be changed`, {
      hint: suggestion(
        name,
        heads.map((head) => head.name),
        "tables",
      ),
    });
  }
  if (found.kind !== "table") return null;
  refuseMade(session, found.name, verb);
  const loaded = await catalog.load(found.name);
  if (loaded === null) return null;
  refuseLanded(found.name, loaded.schema, kind, verb);
  if (branch !== null) await refuseOffMain(session, { branch, table: found.name, kind, verb });
  const current = await catalog.snapshotAt(loaded, onBranch(branch));
  const table = { ...loaded, current };
  const scan = await catalog.scan(table, current);
  if (asOf !== null) {
    const then = await catalog.snapshotAt(table, await versionRef(session, table, asOf));
    if (then?.snapshotId !== table.current?.snapshotId) {
      const [was, is] = [then, table.current].map((one) => `@${one?.sequenceNumber ?? 0n}`);
      throw new LakeError("conflict", `${found.name} was ${was} at BEGIN, and is ${is} by now`, {
        hint: "ROLLBACK, and begin again",
      });
    }
  }
  return { table, scan };
}

/** Throws `unsupported` for what all branches of a table share. */
async function refuseOffMain(
  session: Session,
  {
    branch,
    table,
    kind,
    verb,
  }: Pick<Opening, "kind" | "verb"> & {
    readonly branch: string;
    readonly table: TableName;
  },
): Promise<void> {
  const { requireBranch } = await import("./branch-list.ts");
  await requireBranch(session, branch);
  if (kind === "rows") return;
  throw new LakeError(
    "unsupported",
    `${verb} ${table}: a branch has rows of its own and nothing else`,
    {
      hint: "columns, properties and names are those of main too: change them there (USE BRANCH main)",
    },
  );
}

function onBranch(branch: string | null): VersionRef {
  return branch === null ? { kind: "current" } : { kind: "branch", name: branch };
}

/** The full name of a table that a statement makes. Throws `usage`. */
export async function nameOfNew(
  session: Session,
  parts: readonly string[],
  verb: string,
): Promise<TableName> {
  const [layer, table, ...rest] = parts.map((part) => part.toLowerCase());
  if (layer === undefined || table === undefined || rest.length > 0) {
    throw new LakeError("usage", `${verb} ${parts.join(".")}: a table is of a layer`, {
      hint: `${verb.toLowerCase()} gold.${parts.at(-1)} …; for this session alone: create temp table …`,
    });
  }
  const isOwn = NOT_LAYERS.has(layer) || layer.endsWith(REPLAYED);
  if (isOwn || isQuarantineTable(`${layer}.${table}`)) {
    throw new LakeError(
      "usage",
      `${verb} ${layer}.${table}: ${layer} is kept for the lake itself`,
      {
        hint: "take another layer, such as gold",
      },
    );
  }
  if (!isNamePart(layer) || !isNamePart(table)) {
    throw new LakeError("usage", `"${layer}.${table}" is no name of a table`, {
      hint: "letters, digits and _ are; dots, slashes, quotes and wildcards are not",
    });
  }
  const heads = await session.catalog.tables();
  const found = new TableNames(heads.map((head) => head.name)).lookUp(`${layer}.${table}`);
  const name = found.kind === "table" ? found.name : `${layer}.${table}`;
  refuseMade(session, name, verb);
  await refuseDeclared(session, name, verb);
  return name;
}

/** Gives a table another name; the commit. Throws `conflict` while models read it under the old one. */
export async function renameOf(
  session: Session,
  { from, to }: { readonly from: TableName; readonly to: TableName },
): Promise<bigint | null> {
  for (const name of [from, to]) refuseMade(session, name, "RENAME of");
  await refuseDeclared(session, to, "RENAME to");
  const { readersOf } = await import("./drop.ts");
  const heads = (await session.catalog.tables()).map((head) => head.name);
  if (heads.includes(to)) {
    throw new LakeError("usage", `there is a table ${to} already`, { hint: "take another name" });
  }
  const readers = await readersOf(session, [from]);
  if (readers.length === 0) {
    const told = { kind: "write", message: `${from} renamed to ${to}` } as const;
    return await (await session.iceberg()).renameTable(from, to, told);
  }
  throw new LakeError("conflict", `${from} is read by ${readers.join(", ")}`, {
    hint: "let them read another table first",
  });
}

/** Publishes what a statement has staged. */
export async function writeOf(session: Session, wire: WireWrite): Promise<Written> {
  const request = fromWire(wire);
  for (const { table, create } of request.writes) {
    refuseMade(session, table, "a statement on");
    if (create !== null) await refuseDeclared(session, table, "a statement on");
  }
  if (request.branch) {
    const { requireBranch } = await import("./branch-list.ts");
    await requireBranch(session, request.branch);
  }
  return await commitWrites(session.catalog, request);
}

/** What is made by a model would be made again, and what was landed is a function of what was dropped. */
function refuseMade(session: Session, name: TableName, verb: string): void {
  const [broken] = session.project.errors;
  if (broken !== undefined) throw broken;
  const model = session.project.models.find((one) => one.name === name);
  if (model !== undefined) {
    throw new LakeError("unsupported", `${verb} ${name}: it is made by ${model.file}`, {
      hint:
        "change its query, then: tarn build; to compute it anew: " +
        `tarn replay ${name}; to keep a table of your own: create table gold.copy as from ${name}`,
    });
  }
  const late = heldLate(session.project.models, name, `${verb} ${name}`);
  if (late !== null) throw late;
  if (isQuarantineTable(name)) {
    const writer = writerOfQuarantine(name) ?? name;
    throw new LakeError("unsupported", `${verb} ${name}: it is what ${writer} sets aside`, {
      hint: "tarn quarantine list: its rows are mended, retried and dropped there",
    });
  }
}

/** Rows of a source that is gone have their originals all the same. */
function refuseLanded(name: TableName, schema: Schema, kind: ChangeKind, verb: string): void {
  if (kind === "comment" || kind === "properties") return;
  const columns = new Set(schema.fields.map((field) => field.name));
  const isLanded = BRONZE_COLUMNS.every((column) => columns.has(column.name));
  if (isLanded) throw landed(name, verb);
}

/** A table that a source will make is its own before it is there. */
async function refuseDeclared(session: Session, name: TableName, verb: string): Promise<void> {
  const { makersOf } = await import("./foreign-rules.ts");
  if ((await makersOf(session))(name)?.kind === "source") throw landed(name, verb);
}

function landed(name: TableName, verb: string): LakeError {
  return new LakeError(
    "unsupported",
    `${verb} ${name}: its rows are those that its source brings`,
    {
      hint:
        "they stay as they came, or nothing could be read again. To put rows in: drop a file; to take out what a " +
        `file brought: tarn forget FILE; other columns: tarn contract; to leave rows out: a model over ${name}`,
    },
  );
}

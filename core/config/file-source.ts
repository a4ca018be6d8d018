/** One entry of `sources:` in tarn.yaml: its keys, and the FileSourceConfig they make. */

import { must } from "../base/assert.ts";
import { compileGlob, escapeGlob, hasWildcard } from "../base/glob.ts";
import { COMPATIBILITIES } from "../contract/modes.ts";
import type { StatedContract } from "../contract/stated.ts";
import type { DeclaredColumn, FileSourceConfig } from "../ingest/contract.ts";
import { feedColumns } from "../ingest/feed.ts";
import type { LandingFrame, TableLanding } from "../ingest/source-kind.ts";
import { SETTLE_MS } from "../limits.ts";
import { isNamePart, namePartFrom } from "../table/name.ts";
import { parsePartitionText } from "../table/partition.ts";
import { columnShape, columnsOf, type GivenColumn } from "./declared-columns.ts";
import { BRONZE_PARTITION, CONTRACTS_FOLDER, DROPS_FOLDER } from "./default-source.ts";
import { type FileFormats, formatKey, READING_KEYS, readOptions } from "./read-options.ts";
import {
  below,
  type Cursor,
  duration,
  list,
  mapOf,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  text,
  type Values,
} from "./shape.ts";

/** The contract that a document of the project states for a table by one of these names; null where it states none. */
export type ContractReader = (path: string, names: readonly string[]) => StatedContract | null;

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
const NO_MAP: ReadonlyMap<string, string> = new Map();

const EXPRESSIONS = mapOf(text({ examples: ["sha256(email)", "drop"] }));

/** But for the words of formats: `fileSourceShape` is told them. */
export const FILE_SOURCE_KEYS = {
  path: optional(
    text({ check: checkPath, examples: ["drops/orders/**/*.csv"] }),
    "",
    "Which dropped files it takes: a glob relative to the project, or a file or folder by its name. " +
      "Default: drops/<name>/**.",
  ),
  into: optional(
    text({ check: checkTarget, examples: ["bronze.orders"] }),
    "",
    "The table that the rows land in. Default: bronze.<name>.",
  ),
  moved_from: optional(
    nullable(text({ check: checkMovedFrom, examples: ["orders"] })),
    NOTHING,
    "The name that this source had before: what landed under it is not landed again; none for a new source. " +
      "Default: found out where the table and the files are the same.",
  ),
  ...READING_KEYS,
  settle: optional(
    duration(),
    SETTLE_MS,
    "How long a file must stay unchanged before it lands; older files land at once.",
  ),
  same_name: optional(
    oneOf(["version", "replace"], { new_version: "version", overwrite: "replace" }),
    "version",
    "New content under a landed name: another version (its tail, when it grew), or a replacement.",
  ),
  same_bytes: optional(
    oneOf(["skip", "land"], { ignore: "skip", duplicate: "skip" }),
    "skip",
    "The same content under a new name: skipped and counted as a duplicate, or landed again.",
  ),
  on_landed: optional(
    oneOf(["keep", "move", "delete"], { archive: "move", remove: "delete" }),
    "keep",
    "What happens to the dropped file once its rows are committed.",
  ),
  schema: optional(
    nullable(
      oneOf(["evolve", "ignore", "quarantine", "fail"], {
        freeze: "fail",
        discard_row: "quarantine",
        discard_value: "ignore",
        rescue: "ignore",
        strict: "fail",
      }),
    ),
    null,
    "Fields that no column claims: add columns, keep them in _rescued, set the rows aside, or stop. " +
      "Default: evolve, or quarantine when columns are declared.",
  ),
  strangers: optional(
    oneOf(["hold", "land"], { refuse: "hold", quarantine: "hold", evolve: "land" }),
    "hold",
    "A file that shares no column with the table, where schema: evolve would add all of its own: set aside whole, or " +
      "landed.",
  ),
  columns: optional(
    mapOf(columnShape()),
    new Map<string, GivenColumn>(),
    "Column names with their types, or with keys; a value that does not fit exactly is set aside.",
  ),
  contract: optional(
    nullable(text({ check: checkContract, examples: ["contracts/orders.yaml"] })),
    NOTHING,
    "A document that states the columns: of the Open Data Contract Standard, or a JSON Schema.",
  ),
  compatibility: optional(
    oneOf(COMPATIBILITIES, { any: "none", both: "full" }),
    "none",
    "How the contract may change, in the modes of schema registries; what would break it is set aside, or stops.",
  ),
  required: optional(list(text({})), NO_TEXTS, "Columns in which NULL sets the row aside."),
  before_landing: optional(
    EXPRESSIONS,
    NO_MAP,
    "SQL per column, or drop, run before anything is stored: the original is then not kept.",
  ),
  partition: optional(
    list(text({ check: checkPartition, examples: ["day(_ingested_at)", "bucket(16, id)"] })),
    BRONZE_PARTITION,
    "Partition transforms of the bronze table; [] for none. Default: day(_ingested_at).",
  ),
};

/** Words that other tools use for our keys. */
const FOREIGN = {
  postgres: "write kind: postgres, and url: beside it",
  kafka: "write kind: kafka",
  url: "for a database write kind: postgres beside it; files are read from the drops folder",
  target: 'did you mean "into"?',
  glob: 'did you mean "path"?',
  type: 'did you mean "format"?',
  sep: 'did you mean "delimiter"?',
  separator: 'did you mean "delimiter"?',
  null_values: 'did you mean "nulls"?',
  escapechar: 'did you mean "escape"?',
  skiprows: 'did you mean "skip"?',
  skip_rows: 'did you mean "skip"?',
  hive_partitioning: "write folders: columns, which is the default, or folders: ignore",
};

/** The shape of one source's settings; `fileSource` turns what it reads into a FileSourceConfig. */
export function fileSourceShape(formats: FileFormats): Shape<FileSourceValues> {
  return object({ ...FILE_SOURCE_KEYS, format: formatKey(formats) }, FOREIGN);
}

/** What a source's keys said. */
export type FileSourceValues = Values<typeof FILE_SOURCE_KEYS>;

/** A source from what its keys said; reports what contradicts itself. */
export function fileSource(
  name: string,
  given: FileSourceValues,
  formats: FileFormats,
  cursor: Cursor,
  contractAt: ContractReader = () => null,
): FileSourceConfig {
  const isFeed = formats[given.format ?? ""]?.isFeed === true;
  const into = given.into === "" ? `bronze.${namePartFrom(name)}` : given.into;
  const names = [into, into.slice(into.indexOf(".") + 1), name];
  const stated = given.contract === null ? null : contractAt(given.contract, names);
  const columns = columnsOf(given, stated, isFeed, cursor);
  const own = columns.declared;
  if (given.schema === "ignore") refuseRescued(given, own, cursor);
  if (isFeed) refuseRequired(given, stated, cursor);
  const schema = given.schema ?? (own === null ? "evolve" : "quarantine");
  const isOpen = schema === "evolve" && !isFeed;
  // What may grow is not declared as it is.
  const old = schema === "evolve" ? [] : (own ?? []);
  const declared = isFeed && own !== null ? feedColumns(own, old) : own;
  return {
    name,
    path: sourcePath(name, given.path),
    into,
    movedFrom: given.moved_from,
    settleMs: given.settle,
    sameName: given.same_name,
    sameBytes: given.same_bytes,
    onLanded: given.on_landed,
    schema,
    declared,
    ...(isOpen && given.strangers === "hold" ? { strangers: "hold" as const } : {}),
    required: isFeed ? [] : columns.required,
    beforeLanding: expressions(given.before_landing),
    read: { ...readOptions(given, formats, cursor), names: columns.names },
    partition: given.partition,
    ...(Object.keys(columns.onDrift).length === 0 ? {} : { onDrift: columns.onDrift }),
    ...(given.compatibility === "none" ? {} : { compatibility: given.compatibility }),
    ...(stated === null ? {} : { notes: stated.notes }),
    ...(given.schema === null && own !== null ? { schemaImplied: true } : {}),
  };
}

/** The keys that say how rows land, whatever brings them. */
const LANDING_KEYS = {
  into: FILE_SOURCE_KEYS.into,
  schema: FILE_SOURCE_KEYS.schema,
  columns: FILE_SOURCE_KEYS.columns,
  contract: FILE_SOURCE_KEYS.contract,
  compatibility: FILE_SOURCE_KEYS.compatibility,
  required: FILE_SOURCE_KEYS.required,
  before_landing: optional(
    EXPRESSIONS,
    NO_MAP,
    "SQL per column, or drop, run before anything is kept: nothing that is received is kept then.",
  ),
  partition: optional(
    nullable(
      list(text({ check: checkPartition, examples: ["day(_ingested_at)", "bucket(16, id)"] })),
    ),
    null,
    FILE_SOURCE_KEYS.partition.doc,
  ),
};

/** The name that a source of whatever kind had before. */
export const MOVED_FROM = FILE_SOURCE_KEYS.moved_from;

/** Stands for every table of a stream that is not named. */
export const EVERY_TABLE = "*";

/** What the keys of `LANDING_KEYS` said. */
export type LandingValues = Values<typeof LANDING_KEYS>;

export const LANDING_NAMES: readonly string[] = Object.keys(LANDING_KEYS);
export const LANDING: Shape<LandingValues> = object(LANDING_KEYS);

/**
 * How a table of a stream lands, where its keys say otherwise than its kind. Its columns come and go by default. What a
 * contract document requires of a feed is for those who read it: a change may come without values.
 */
export function landingOf(
  given: LandingValues,
  frame: LandingFrame,
  cursor: Cursor,
  stated: StatedContract | null,
): TableLanding {
  const values = must(
    object(FILE_SOURCE_KEYS).read({}, { path: [], issues: [] }),
    "every key has a default",
  );
  const all = { ...values, ...given, partition: given.partition ?? [] };
  const columns = columnsOf(all, stated, frame.isFeed, cursor);
  const own = columns.declared;
  const schema = given.schema ?? "evolve";
  if (frame.isFeed) refuseRequired(all, null, cursor);
  refuseTakenOut(all, frame, own, cursor);
  const old = schema === "evolve" ? [] : (own ?? []);
  return {
    ...(given.into === "" ? {} : { into: given.into }),
    schema,
    declared: own === null ? null : frame.columns(own, old),
    required: frame.isFeed ? [] : columns.required,
    ...(given.partition === null ? {} : { partition: given.partition }),
    ...(given.before_landing.size === 0
      ? {}
      : { beforeLanding: expressions(given.before_landing) }),
    ...(Object.keys(columns.onDrift).length === 0 ? {} : { onDrift: columns.onDrift }),
    ...(given.compatibility === "none" ? {} : { compatibility: given.compatibility }),
    ...(stated === null ? {} : { notes: stated.notes }),
  };
}

/** What is taken out may stand nowhere else. */
function refuseTakenOut(
  given: FileSourceValues,
  frame: LandingFrame,
  declared: readonly DeclaredColumn[] | null,
  cursor: Cursor,
): void {
  if (given.before_landing.size === 0) return;
  if (frame.isPlacedByRows === true) {
    const message = "before_landing is not known here: where it is read on holds values of rows";
    const hint = "ask for a view, or an endpoint, that does not have the column";
    report(below(cursor, "before_landing"), message, hint, "key");
  }
  if (given.schema === "ignore") refuseRescued(given, declared, cursor);
}

/** A delete, a truncation and an update without an unchanged value have no value to require. */
function refuseRequired(
  given: FileSourceValues,
  stated: StatedContract | null,
  cursor: Cursor,
): void {
  const hint = "a change may come without values: test the model that reads it, with not_null";
  const columns = below(cursor, "columns");
  for (const [name, { required }] of given.columns) {
    if (required) report(below(columns, name), `"not null" means nothing in a change feed`, hint);
  }
  const inContract = stated?.columns.find(({ required }) => required);
  if (inContract !== undefined) {
    const message = `"${inContract.name}" is required, which means nothing in a change feed`;
    report(below(cursor, "contract"), message, hint);
  }
  if (given.required.length === 0) return;
  report(below(cursor, "required"), `"required" means nothing in a change feed`, hint, "key");
}

/** The word `drop` takes a value out; a column of that name is written in quotes. */
function expressions(given: ReadonlyMap<string, string>): Record<string, string> {
  const sqlOf = (text: string): string => (text.trim().toLowerCase() === "drop" ? "NULL" : text);
  return Object.fromEntries([...given].map(([column, text]) => [column, sqlOf(text)]));
}

/** Fields that nobody declared are kept as they are: what is to be taken out may not be among them. */
function refuseRescued(
  given: FileSourceValues,
  declared: readonly DeclaredColumn[] | null,
  cursor: Cursor,
): void {
  const inner = below(cursor, "before_landing");
  const names = new Set(declared?.map((column) => column.name.toLowerCase()));
  for (const name of given.before_landing.keys()) {
    if (names.has(name.toLowerCase())) continue;
    const message = `"${name}" is not declared, and schema: ignore keeps such fields as they are`;
    report(below(inner, name), message, "declare it under columns, or use schema: quarantine");
  }
}

/** A path without wildcards that ends in `/` means all below that folder, and never a file. */
function sourcePath(name: string, path: string): string {
  if (path === "") return `${DROPS_FOLDER}/${escapeGlob(name)}/**`;
  const clean = path.replace(/^\.\//, "");
  return clean.endsWith("/") && !hasWildcard(clean) ? `${clean}**` : clean;
}

function checkPath(path: string): string | null {
  if (path.startsWith("/") || /^[a-z][a-z0-9+.-]*:/i.test(path)) {
    return "a path is relative to the project, such as drops/orders/**";
  }
  if (path.split("/").includes("..")) return "a path stays inside the project: it cannot hold ..";
  const result = compileGlob(path);
  return result.kind === "invalid" ? `not a pattern: ${result.reason}` : null;
}

function checkTarget(target: string): string | null {
  const [namespace, table, ...rest] = target.split(".");
  const isName =
    namespace !== undefined &&
    table !== undefined &&
    rest.length === 0 &&
    isNamePart(namespace) &&
    isNamePart(table);
  if (!isName) return `"${target}" is not a table name: write bronze.orders`;
  if (target !== target.toLowerCase()) return `table names are lower case: ${target.toLowerCase()}`;
  const isOurs = namespace === "lake" || namespace.endsWith("_quarantine");
  return isOurs ? `tables of "${namespace}" are the lake's own: write bronze.${table}` : null;
}

function checkMovedFrom(name: string): string | null {
  return isNamePart(name) ? null : `"${name}" is no name of a source`;
}

/** In one folder, so that one place is watched for edits of them. */
function checkContract(path: string): string | null {
  const clean = path.replace(/^\.\//, "");
  const isThere = clean.startsWith(`${CONTRACTS_FOLDER}/`) && !clean.split("/").includes("..");
  return isThere ? null : `contracts lie in ${CONTRACTS_FOLDER}/, such as contracts/orders.yaml`;
}

function checkPartition(value: string): string | null {
  const result = parsePartitionText(value);
  return result.kind === "invalid" ? result.reason : null;
}

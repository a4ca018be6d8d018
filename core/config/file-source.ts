/** One entry of `sources:` in tarn.yaml: its keys, and the FileSourceConfig they make. */

import { must } from "../base/assert.ts";
import { compileGlob, escapeGlob, hasWildcard } from "../base/glob.ts";
import { COMPATIBILITIES } from "../contract/modes.ts";
import type { StatedContract } from "../contract/stated.ts";
import type {
  DeclaredColumn,
  FileFormat,
  FileSourceConfig,
  ReadOptions,
} from "../ingest/contract.ts";
import { ENCODING_EXAMPLES, encodingName } from "../ingest/encoding-name.ts";
import { feedColumns } from "../ingest/feed.ts";
import { dateParts, numbersFrom } from "../ingest/notation.ts";
import type { LandingFrame, TableLanding } from "../ingest/source-kind.ts";
import { SETTLE_MS } from "../limits.ts";
import { isNamePart, namePartFrom } from "../table/name.ts";
import { parsePartitionText } from "../table/partition.ts";
import { columnShape, columnsOf, type GivenColumn } from "./declared-columns.ts";
import { BRONZE_PARTITION, CONTRACTS_FOLDER, DROPS_FOLDER } from "./default-source.ts";
import {
  below,
  boolean,
  type Cursor,
  duration,
  integer,
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

/** Settings of a source that only some formats have a use for, as they are written in tarn.yaml. */
const FORMAT_SETTINGS = [
  "delimiter",
  "quote",
  "escape",
  "comment",
  "skip",
  "encoding",
  "numbers",
  "dates",
  "sheet",
  "header_row",
  "table",
] as const;

export interface FormatDescription {
  /** What the names of its files end in, without compression, in lower case. */
  readonly endings: readonly string[];
  /** Words for it in `format:`, each with the delimiter that it says, if any; absent: its name alone. */
  readonly words?: Readonly<Record<string, string | null>>;
  /** Words that other tools have for it. */
  readonly aliases?: readonly string[];
  /** Which of the settings above mean something to it; absent: none. */
  readonly settings?: readonly (typeof FORMAT_SETTINGS)[number][];
  /** Its files are change feeds: what they hold tells what happened to rows. */
  readonly isFeed?: boolean;
}

/** By name, in the order they are listed. */
export type FileFormats = Readonly<Record<FileFormat, FormatDescription>>;

/** A word of `format:`, and what it says. */
interface FormatWord {
  readonly word: string;
  readonly format: FileFormat;
  readonly delimiter: string | null;
}

const NOTHING: string | null = null;
const NO_TEXTS: readonly string[] = [];
const NO_MAP: ReadonlyMap<string, string> = new Map();

/** But for the words of formats: `fileSourceShape` is told them. */
const EXPRESSIONS = mapOf(text({ examples: ["sha256(email)", "drop"] }));

const KEYS = {
  path: optional(
    text({ check: checkPath, examples: ["drops/orders/**/*.csv"] }),
    "",
    "Which dropped files it takes: a glob relative to the project. Default: drops/<name>/**.",
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
  format: formatKey({}),
  table: optional(
    nullable(text({ examples: ["public.orders"] })),
    NOTHING,
    "Of a change feed, the table whose changes are meant. Default: the only one that its events are of.",
  ),
  delimiter: optional(
    nullable(text({ check: checkDelimiter, examples: [";", "\\t"] })),
    NOTHING,
    "What separates fields in CSV: one character, or \\t. Default: found out per file.",
  ),
  quote: optional(
    nullable(
      text({ check: (value) => ([...value].length <= 1 ? null : "one character, or empty") }),
    ),
    NOTHING,
    "What quotes fields in CSV; empty for nothing. Default: found out per file.",
  ),
  encoding: optional(
    nullable(text({ check: checkEncoding, examples: ["utf-8", "utf-16le", "latin-1"] })),
    NOTHING,
    "Text encoding. Default: by byte order mark, then UTF-8.",
  ),
  header: optional(
    nullable(boolean()),
    null,
    "Whether the first row of a CSV names the columns. Default: found out per file.",
  ),
  nulls: optional(
    list(text({ examples: ["NA", "\\N"] })),
    NO_TEXTS,
    "Texts that mean NULL in CSV, besides an unquoted empty field.",
  ),
  escape: optional(
    nullable(
      text({
        check: (value) => ([...value].length === 1 ? null : "one character"),
        examples: ["\\"],
      }),
    ),
    NOTHING,
    "What makes a quote, a delimiter, a line end or itself behind it a character of the text, in CSV. " +
      "Default: nothing, quotes are doubled.",
  ),
  comment: optional(
    nullable(
      text({ check: (value) => (value === "" ? "one character or more" : null), examples: ["#"] }),
    ),
    NOTHING,
    "Lines of a CSV that begin with it are no rows. Default: such lines above the header alone.",
  ),
  skip: optional(
    nullable(integer({ min: 0, max: 1_000_000 })),
    null,
    "Lines of a CSV that stand above the table. Default: found out per file.",
  ),
  numbers: optional(
    nullable(text({ check: checkNumbers, examples: ["de", "1.234,56"] })),
    NOTHING,
    "How numbers are written in CSV: de, en, fr or ch, or 1234.56 as it is written there. Default: plainly.",
  ),
  dates: optional(
    nullable(text({ check: checkDates, examples: ["DD.MM.YYYY"] })),
    NOTHING,
    "How days are written in CSV, with or without a time behind them. Default: YYYY-MM-DD, which is always read.",
  ),
  sheet: optional(nullable(text({})), NOTHING, "Sheet of a workbook. Default: the first one."),
  header_row: optional(
    nullable(integer({ min: 1, max: 1_048_576 })),
    null,
    "Row of a sheet, or line of a CSV, from 1, that names the columns. Default: the first row with values, or found " +
      "out per file.",
  ),
  folders: optional(
    oneOf(["columns", "ignore"], { hive: "columns", none: "ignore" }),
    "columns",
    "Folders key=value that a file lies in: columns of its rows, or in _file alone.",
  ),
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
  return object({ ...KEYS, format: formatKey(formats) }, FOREIGN);
}

/** What a source's keys said. */
export type FileSourceValues = Values<typeof KEYS>;

function formatWords(formats: FileFormats): FormatWord[] {
  return Object.entries(formats).flatMap(([format, { words = { [format]: null } }]) =>
    Object.entries(words).map(([word, delimiter]) => ({ word, format, delimiter })),
  );
}

/** The formats that are named by who drops files: each by its own name. */
export function formatNames(formats: FileFormats): FileFormat[] {
  return [...new Set(formatWords(formats).map(({ format }) => format))];
}

/** Words of other tools with ours. */
function formatAliases(formats: FileFormats): Record<string, FileFormat> {
  const pairs = Object.entries(formats).flatMap(([format, { aliases = [] }]) =>
    aliases.map((alias) => [alias, format] as const),
  );
  return Object.fromEntries(pairs);
}

function formatKey(formats: FileFormats) {
  const words = formatWords(formats).map(({ word }) => word);
  return optional(
    nullable(oneOf(words, formatAliases(formats))),
    NOTHING,
    "How the files are written; those of a tool for change data capture land as a change feed. " +
      "Default: found out per file.",
  );
}

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
  into: KEYS.into,
  schema: KEYS.schema,
  columns: KEYS.columns,
  contract: KEYS.contract,
  compatibility: KEYS.compatibility,
  required: KEYS.required,
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
    KEYS.partition.doc,
  ),
};

/** The name that a source of whatever kind had before. */
export const MOVED_FROM = KEYS.moved_from;

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
  const values = must(object(KEYS).read({}, { path: [], issues: [] }), "every key has a default");
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

function readOptions(given: FileSourceValues, formats: FileFormats, cursor: Cursor): ReadOptions {
  const said = formatWords(formats).find(({ word }) => word === given.format);
  const format = said?.format ?? null;
  const settings = format === null ? FORMAT_SETTINGS : (formats[format]?.settings ?? []);
  for (const key of FORMAT_SETTINGS) {
    if (given[key] === null || settings.includes(key)) continue;
    report(below(cursor, key), `"${key}" means nothing for format ${format}`, null, "key");
  }
  if (given.table !== null && format === null) {
    const feeds = Object.keys(formats).filter((name) => formats[name]?.isFeed === true);
    const hint = `a change feed says its format (${feeds.join(", ")}); into: names the table to land in`;
    report(below(cursor, "table"), '"table" is of change feeds', hint, "key");
  }
  refuseTwoTops(given, cursor);
  return {
    format,
    delimiter: delimiterOf(given.delimiter) ?? said?.delimiter ?? null,
    quote: given.quote,
    encoding: given.encoding,
    header: given.header,
    nulls: given.nulls,
    numbers: given.numbers === null ? null : numbersFrom(given.numbers),
    dates: given.dates,
    sheet: given.sheet,
    headerRow: given.header_row,
    skip: given.skip,
    escapeMark: given.escape,
    comment: given.comment,
    names: [],
    table: given.table,
    folders: given.folders === "columns",
  };
}

/** One of them says where the table begins. */
function refuseTwoTops(given: FileSourceValues, cursor: Cursor): void {
  if (given.header_row === null) return;
  if (given.skip !== null) {
    const hint = `header_row: ${given.header_row} alone passes over the lines above it`;
    report(below(cursor, "skip"), '"skip" and "header_row" say the same', hint, "key");
  }
  if (given.header === false) {
    report(
      below(cursor, "header"),
      "header_row names a header, and header: false none",
      null,
      "key",
    );
  }
}

function delimiterOf(text: string | null): string | null {
  return text === "\\t" || text === "tab" ? "\t" : text;
}

/** A path without wildcards that ends in `/` means all below that folder. */
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

function checkDelimiter(value: string): string | null {
  const isOne = [...value].length === 1 || value === "\\t" || value === "tab";
  return isOne ? null : "a delimiter is one character, or \\t";
}

function checkNumbers(value: string): string | null {
  const hint = "write 1234.56 as the files do, such as 1.234,56, or de, en, fr, ch";
  return numbersFrom(value) === null ? `no way of writing numbers; ${hint}` : null;
}

function checkDates(value: string): string | null {
  const hint =
    "write DD, MM and YYYY in their order with what stands between them, such as DD.MM.YYYY";
  return dateParts(value) === null ? `no way of writing days; ${hint}` : null;
}

function checkEncoding(value: string): string | null {
  return encodingName(value) === null ? `no text encoding; write ${ENCODING_EXAMPLES}` : null;
}

function checkPartition(value: string): string | null {
  const result = parsePartitionText(value);
  return result.kind === "invalid" ? result.reason : null;
}

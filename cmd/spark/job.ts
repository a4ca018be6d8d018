/** The models of a project as a PySpark job: their queries in Spark's words, in order, with what cannot be said so. */

import { errorText, LakeError, type Place } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { isInlined, type Model } from "../../core/model/model.ts";
import type { ModelNode } from "../../core/model/node.ts";
import { inFile } from "../../core/model/variables.ts";
import { parsePartitionText } from "../../core/table/partition.ts";
import { isReserved } from "../../core/table/system-columns.ts";
import type { Field, TableName, Type } from "../../core/table/types.ts";
import { chosenModels, type ProjectGraph, validGraph } from "../lake/models.ts";
import type { Session } from "../open.ts";
import jobText from "./job.py.txt" with { type: "text" };
import { type Library, sparkLibrary } from "./library.ts";
import { type Translated, translate } from "./translate.ts";

/** What is not in the job, and why. */
export interface Refused {
  readonly table: TableName;
  readonly what: string;
  readonly place: Place;
}

export interface SparkJob {
  /** Texts by path below the job's folder. */
  readonly files: ReadonlyMap<string, string>;
  readonly models: readonly TableName[];
  readonly refused: readonly Refused[];
}

type JobModel = {
  readonly table: TableName;
  readonly kind: string;
  readonly file: string;
  readonly sql: string;
  /** Name of the view that stands for it; null for a table. */
  readonly view: string | null;
  readonly partition: readonly string[];
  readonly columns: readonly string[];
  /** Counts that have to be nothing. */
  readonly checks: readonly {
    readonly name: string;
    readonly sql: string;
    readonly fails: boolean;
  }[];
};

/** Catalogs of the job: what tarn serves, and what the job makes. */
const READ = "tarn";
const MADE = "made";

/** Kinds whose table is not what one query says of all rows, and why. */
const OTHER_KINDS: Readonly<Record<string, string>> = {
  cdc: "kind: cdc applies changes in their order",
  snapshot: "kind: snapshot keeps what was, which no query can tell",
  exec: "kind: exec runs a program",
  lookup: "kind: lookup keeps answers of others",
  delete_insert: "kind: delete_insert replaces the rows of a key by batch",
  microbatch: "kind: microbatch leaves out windows before its begin",
};

/**
 * Of all models, or those that selectors name. A model that cannot be said in Spark's words is refused with its place;
 * its table is read as tarn made it by those after it. Throws `not-found` where a model has no table yet, whose types
 * the job would have to guess.
 */
export async function sparkJobOf(
  session: Session,
  selectors: readonly string[],
  uri: string,
): Promise<SparkJob> {
  const graph = await validGraph(session);
  const chosen = await chosenModels(session.catalog, graph, selectors);
  const library = await sparkLibrary();
  const refused: Refused[] = [];
  const made = new Map<TableName, JobModel>();
  const files = new Map<string, string>();
  for (const node of graph.nodes) {
    const { model } = node;
    if (chosen !== null && !chosen.has(model.name)) continue;
    const found = await modelOf({ session, graph, library, made }, node);
    if ("refused" in found) {
      refused.push(...found.refused);
      continue;
    }
    const path = `models/${model.name}.sql`;
    made.set(model.name, { ...found.model, sql: path });
    files.set(path, `-- ${model.name}: written by tarn from ${model.file}\n${found.model.sql}\n`);
  }
  const settings = {
    timezone: session.config.timezone,
    uri,
    models: [...made.values()],
    read_as_they_are: [...new Set(refused.map(({ table }) => table))],
  };
  files.set("job.json", `${stringifyJson(settings, 2)}\n`);
  files.set("job.py", jobText);
  return { files, models: [...made.keys()], refused };
}

interface Making {
  readonly session: Session;
  readonly graph: ProjectGraph;
  readonly library: Library;
  readonly made: ReadonlyMap<TableName, JobModel>;
}

type Found = { readonly model: JobModel } | { readonly refused: readonly Refused[] };

async function modelOf(making: Making, node: ModelNode): Promise<Found> {
  const { model } = node;
  const refuse = (what: string, line = 1, column = 1): Refused => ({
    ...{ table: model.name, what },
    place: inFile(model, { line, column }),
  });
  const whole = wholeObstacle(making, model);
  if (whole !== null) return { refused: [refuse(whole)] };
  const query = translated(making, model.sql);
  if (query.kind === "refused") {
    const { obstacles } = query;
    return { refused: obstacles.map(({ what, line, column }) => refuse(what, line, column)) };
  }
  const view = isInlined(model.kind) ? model.name.replaceAll(".", "__") : null;
  const base = { table: model.name, kind: model.kind, file: model.file, view };
  if (view !== null) {
    return { model: { ...base, sql: query.sql, partition: [], columns: [], checks: [] } };
  }
  const table = await making.session.catalog.load(model.name);
  if (table === null) {
    throw new LakeError(
      "not-found",
      `${model.name} has no table yet, and the job takes its types`,
      {
        hint: `tarn build ${model.name}`,
        context: { table: model.name },
      },
    );
  }
  const columns = table.schema.fields.filter(({ name }) => !isReserved(name));
  const nested = columns.find(({ type }) => sparkType(type) === null);
  if (nested !== undefined) {
    return { refused: [refuse(`${nested.name} has a type that is not written here`)] };
  }
  const conditions: { name: string; action: string; sql: string }[] = [];
  for (const { name, sql, action, onNull } of model.expectations) {
    const condition = conditionOf(making, sql);
    if (condition === null) return { refused: [refuse(`the condition of ${name}`)] };
    const isKept = onNull === "pass" ? "IS NOT FALSE" : "IS TRUE";
    conditions.push({ name, action, sql: `((${condition}) ${isKept})` });
  }
  const deleted = model.deletedWhen === null ? null : conditionOf(making, model.deletedWhen);
  if (model.deletedWhen !== null && deleted === null) return { refused: [refuse("deleted_when")] };
  const { sql, checks } = wrapped(model, { sql: query.sql, conditions, deleted, columns });
  const partition = model.partition.map(partitionOf);
  const names = columns.map(({ name }) => name);
  return { model: { ...base, sql, partition, columns: names, checks } };
}

/** Why a model as such is not in the job; null: only its query decides. */
function wholeObstacle({ graph }: Making, model: Model): string | null {
  const kind = OTHER_KINDS[model.kind];
  if (kind !== undefined) return kind;
  if (model.kind === "merge" && model.latestBy.length === 0) {
    return "kind: merge without latest_by keeps what came last";
  }
  if (model.closing !== null) return "emit: on_window_close leaves late rows out";
  const parents = graph.graph.parents.get(model.name) ?? [];
  const corrected = parents.find((name) => (graph.names.corrections?.(name) ?? []).length > 0);
  return corrected === undefined ? null : `${corrected} is read through corrections`;
}

function translated({ graph, library, made }: Making, sql: string): Translated {
  const table = (parts: readonly string[]) => {
    const isOneWord = parts.length === 1 && parts[0]?.includes(".") === true;
    try {
      const ref = { name: parts.join("."), at: null, offset: null, isOneWord };
      const name = graph.names.tableOf(ref);
      const own = made.get(name);
      if (own === undefined) {
        const isView = graph.names.view(name) !== null;
        return isView
          ? { not: `${name} is a view that is not in the job` }
          : { parts: [READ, ...name.split(".")] };
      }
      return { parts: own.view === null ? [MADE, ...name.split(".")] : [own.view] };
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      return { not: thrown.message };
    }
  };
  try {
    return translate(library, { sql, table });
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "unsupported") throw thrown;
    const [, line = "1", column = "1"] = /line (\d+), column (\d+)/.exec(thrown.message) ?? [];
    const what = errorText(thrown).replace(/^.*column \d+: /, "the statement: ");
    return { kind: "refused", obstacles: [{ what, line: Number(line), column: Number(column) }] };
  }
}

/** A condition on a row, alone; null where it is refused. */
function conditionOf(making: Making, condition: string): string | null {
  const found = translated(making, `SELECT (${condition}\n) AS tarn_ok`);
  if (found.kind === "refused") return null;
  const [, sql] = /^\s*SELECT\s+([\s\S]*?)\s+AS\s+`?tarn_ok`?\s*$/.exec(found.sql) ?? [];
  return sql ?? null;
}

interface Wrapping {
  readonly sql: string;
  readonly conditions: readonly { name: string; action: string; sql: string }[];
  readonly deleted: string | null;
  readonly columns: readonly Field[];
}

/** What a run does with the rows of a query, as one: what does not pass leaves before the newest of a key is taken. */
function wrapped(model: Model, { sql, conditions, deleted, columns }: Wrapping) {
  const named = columns.map(({ name }) => quoted(name)).join(", ");
  const leave = conditions.filter(({ action }) => action === "drop" || action === "quarantine");
  const passes = leave.map((one) => one.sql).join(" AND ");
  const kept =
    leave.length === 0
      ? `(\n${sql}\n) AS tarn_query`
      : `(\nSELECT ${named} FROM (\n${sql}\n) AS tarn_query WHERE ${passes}\n) AS tarn_kept`;
  const checks = conditions
    .filter(({ action }) => action === "fail" || action === "warn")
    .map((one) => ({
      ...{ name: one.name, fails: one.action === "fail" },
      sql: `SELECT count(*) FROM ${kept} WHERE NOT ${one.sql}`,
    }));
  const rows = model.kind === "merge" ? newest(model, kept, named) : kept;
  const casts = columns.map(
    ({ name, type }) => `  CAST(${quoted(name)} AS ${sparkType(type)}) AS ${quoted(name)}`,
  );
  const gone = deleted === null ? "" : `\nWHERE (${deleted}) IS NOT TRUE`;
  return { sql: `SELECT\n${casts.join(",\n")}\nFROM ${rows}${gone}`, checks };
}

function newest({ key, latestBy }: Model, rows: string, named: string): string {
  const keys = key.map(quoted).join(", ");
  const order = latestBy.map((column) => `${quoted(column)} DESC NULLS LAST`).join(", ");
  const rank = `row_number() OVER (PARTITION BY ${keys} ORDER BY ${order}) AS tarn_rank`;
  const ranked = `(SELECT *, ${rank} FROM ${rows}) AS tarn_ranked`;
  return `(\nSELECT ${named} FROM ${ranked} WHERE tarn_rank = 1\n) AS tarn_newest`;
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** `day(at)` in Spark's words. */
function partitionOf(text: string): string {
  const found = parsePartitionText(text);
  if (found.kind === "invalid") return text;
  const { column, transform } = found.partition;
  const [, kind = "", width] = /^([a-z]+)(?:\[(\d+)\])?$/.exec(transform) ?? [];
  if (kind === "identity") return quoted(column);
  return width === undefined
    ? `${kind}s(${quoted(column)})`
    : `${kind}(${width}, ${quoted(column)})`;
}

const TYPES: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  int: "INT",
  long: "BIGINT",
  float: "FLOAT",
  double: "DOUBLE",
  date: "DATE",
  timestamp: "TIMESTAMP_NTZ",
  timestamptz: "TIMESTAMP_LTZ",
  string: "STRING",
  binary: "BINARY",
};

function sparkType(type: Type): string | null {
  if (type.kind === "decimal") return `DECIMAL(${type.precision}, ${type.scale})`;
  return type.kind === "primitive" ? (TYPES[type.name] ?? null) : null;
}

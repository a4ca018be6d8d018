/** A set of models as a whole: adopted only when nothing here finds an error. */

import { LakeError, type Place } from "../base/errors.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import type { TableRef } from "../engine.ts";
import { isSeedTable } from "../table/name.ts";
import { parsePartitionText } from "../table/partition.ts";
import { FILE_ALIAS, PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Column, TableName } from "../table/types.ts";
import { momentIn, movesByItself, splitVersion } from "../table/version-ref.ts";
import { closingErrors } from "./closing-errors.ts";
import { dropSequence } from "./feed.ts";
import { buildGraph, type Graph, type GraphInput, placeInModel } from "./graph.ts";
import { mayGoByKeys } from "./keyed.ts";
import { isIncremental, isInlined, type Model } from "./model.ts";
import type { ModelNode } from "./node.ts";
import { strayRemarks } from "./parse.ts";
import type { Names } from "./pins.ts";
import { goneText } from "./run-store.ts";
import { settingPlace } from "./setting-place.ts";
import { TableNames } from "./table-names.ts";

export interface Validated {
  /** Null when there are errors. */
  readonly graph: Graph | null;
  readonly errors: readonly LakeError[];
  /** True, and worth saying, but no reason to stop. */
  readonly warnings: readonly LakeError[];
}

/** Graph, relationships and kinds. Columns are checked by `checkColumns` once the engine has described a model. */
export function validateModels(input: GraphInput): Validated {
  const { graph, errors } = buildGraph(input);
  const names = new TableNames([
    ...input.models.map((model) => model.name),
    ...input.sources.keys(),
    ...input.tables,
  ]);
  const all = [
    ...errors,
    ...input.models.flatMap((model) => movingMoments(model, input)),
    ...input.models.flatMap((model) => relationshipErrors(model, names)),
    ...input.models.flatMap((model) => reservedErrors(model, input)),
    ...input.models.flatMap((model) => untoldErrors(model, input)),
    ...input.models.flatMap((model) => closingErrors(model, input, names)),
  ];
  const warnings = [
    ...input.models.flatMap((model) => kindWarnings(model, input, names)),
    ...unreadWarnings(input, names),
    ...cadenceWarnings(input, graph),
  ];
  return { graph: all.length > 0 ? null : graph, errors: all, warnings };
}

/**
 * Columns that settings of a model name but that its query, or the table made of it, does not have. Output names are
 * compared without case.
 */
export function checkColumns(
  model: Model,
  given: readonly Column[],
  held: readonly Column[] = given,
): readonly LakeError[] {
  const errors: LakeError[] = [];
  for (const { setting, column, of } of namedColumns(model)) {
    const names = (of === "query" ? given : held).map(({ name }) => name);
    if (names.some((name) => name.toLowerCase() === column.toLowerCase())) continue;
    const near = nearestWord(column, names);
    errors.push(
      new LakeError("schema", `${setting} names "${column}", which ${model.name} does not have`, {
        hint: near === null ? suggestion(column, names, "columns") : `did you mean "${near}"?`,
        place: settingPlace(model, column, setting),
        page: "T0203",
      }),
    );
  }
  return errors;
}

/**
 * A column of a query under a name by which rows are followed; null when there is none, or when the rows are followed
 * and carry it anyway.
 */
export function reservedColumn(
  model: Model,
  columns: readonly Pick<Column, "name">[],
  isFollowed: boolean,
): LakeError | null {
  if (isInlined(model.kind) || model.step !== null || model.lookup !== null) return null;
  const carried = new Set([...PROVENANCE_COLUMNS.map((column) => column.name), FILE_ALIAS]);
  const kept = isFollowed ? undefined : columns.find(({ name }) => carried.has(name));
  if (kept === undefined) return null;
  return new LakeError("schema", `${model.name} gives a column ${kept.name}, a name that is kept`, {
    hint: `it says where a followed row came from; give it another: ${kept.name} AS ${kept.name.slice(1)}`,
    place: queryPlace(model, kept.name),
    page: "T0206",
  });
}

/** Rows of the model may carry where they came from; whether they do, its inputs decide. */
export function canBeFollowed({ model, analysis }: ModelNode): boolean {
  const { notIncremental, notDeterministic, clock } = analysis;
  return (
    isIncremental(model.kind) && [...notIncremental, ...notDeterministic, ...clock].length === 0
  );
}

/** A warning at every reference to an orphan, and one for each that nobody reads. */
export function orphanWarnings(
  orphans: ReadonlySet<TableName>,
  names: Names,
  nodes: readonly ModelNode[],
): LakeError[] {
  const read = new Set<TableName>();
  const warnings: LakeError[] = [];
  for (const { model, analysis } of nodes) {
    for (const ref of analysis.tables) {
      const name = names.tableOf(ref);
      if (!orphans.has(name)) continue;
      read.add(name);
      const maker = isSeedTable(name) ? "file" : "model";
      warnings.push(
        new LakeError("config", `${model.name} reads ${name}, ${goneText(name)}`, {
          hint: `bring its ${maker} back, or read another table and then: tarn drop ${name}`,
          place: placeInModel(model, ref.offset, splitVersion(ref.name).name.length),
        }),
      );
    }
  }
  const unread = [...orphans].filter((name) => !read.has(name));
  const left = unread.map((name) => {
    return new LakeError("config", `${name} is a table ${goneText(name)}`, {
      hint: `nobody reads it; remove it with: tarn drop ${name}`,
    });
  });
  return [...warnings, ...left];
}

interface NamedColumn {
  readonly setting: string;
  /** Whose column it is: a change feed's table has others than its query. */
  readonly of: "query" | "table";
  readonly column: string;
}

function namedColumns(model: Model): readonly NamedColumn[] {
  const as = (setting: string, columns: readonly string[], of: NamedColumn["of"] = "query") =>
    columns.map((column): NamedColumn => ({ setting, column, of }));
  const partitions = model.partition.flatMap((text) => {
    const result = parsePartitionText(text);
    return result.kind === "partition" ? [result.partition.column] : [];
  });
  return [
    ...as(model.cdc === null ? "key" : "keys", model.key),
    ...as("latest_by", model.latestBy),
    ...as("event_time", model.windows === null ? [] : [model.windows.column]),
    ...as("columns", model.cdc?.columns ?? []),
    ...as("except", model.cdc?.except ?? []),
    ...as(
      model.kind === "cdc" ? "track_history" : "check_columns",
      model.cdc?.track ?? [],
      "table",
    ),
    ...as("updated_at", model.cdc?.loads?.updatedAt ? [model.cdc.loads.updatedAt] : []),
    ...as("track_history_except", model.cdc?.trackExcept ?? [], "table"),
    ...as("partition", partitions, "table"),
    ...as("grain", model.grain, "table"),
    ...model.expectations.flatMap(({ column }) =>
      column === undefined ? [] : as(column.setting, [column.name]),
    ),
    ...model.tests.flatMap((test) =>
      test.kind === "unique"
        ? as("unique", test.columns, "table")
        : as("relationships", [test.column], "table"),
    ),
  ];
}

/**
 * A model means the same whenever it runs. A moment that counts from now would make it older every minute; where a tag
 * or a time leads is kept with the model's place, and it runs again when that changes.
 */
function movingMoments(model: Model, input: GraphInput): LakeError[] {
  const refs = input.analyses.get(model.name)?.tables ?? [];
  const tested = model.tests.flatMap((test): TableRef[] =>
    test.kind === "relationships" ? [{ name: test.to, at: null, offset: null }] : [],
  );
  return [...refs, ...tested].flatMap((ref) => {
    const at = momentIn(ref);
    const why = at === null ? null : movesByItself(at.value, at.unit);
    if (at === null || why === null) return [];
    const place =
      ref.offset === null
        ? settingPlace(model, ref.name)
        : placeInModel(model, ref.offset, splitVersion(ref.name).name.length);
    return [
      new LakeError("sql", `a model cannot read a table as of "${at.value}": ${why}`, {
        hint: "write the moment out, such as AT (TIMESTAMP => '2026-01-31 09:00'), or name a tag or a version",
        place,
        page: "T0215",
      }),
    ];
  });
}

/** What reads the clock in a model, its tests and the views that it reads. */
function clocksOf(model: Model, input: GraphInput, names: TableNames): string[] {
  const modelByName = new Map(input.models.map((one) => [one.name, one]));
  const found = new Set<string>();
  const visited = new Set<string>();
  const visit = (one: Model): void => {
    if (visited.has(one.name)) return;
    visited.add(one.name);
    const analysis = input.analyses.get(one.name);
    for (const clock of analysis?.clock ?? []) found.add(clock);
    for (const ref of analysis?.tables ?? []) {
      const resolved = names.lookUp(ref.name);
      const read = resolved.kind === "table" ? modelByName.get(resolved.name) : undefined;
      if (read !== undefined && isInlined(read.kind)) visit(read);
    }
  };
  visit(model);
  return [...found];
}

/** Names that the query writes out are seen before there is a table to read. */
function reservedErrors(model: Model, input: GraphInput): LakeError[] {
  const analysis = input.analyses.get(model.name);
  if (analysis === undefined) return [];
  const outputs = analysis.outputs.map((name) => ({ name }));
  const error = reservedColumn(model, outputs, canBeFollowed({ model, analysis }));
  return error === null ? [] : [error];
}

/** Loads that only their drops could tell apart, over rows that do not carry these. */
function untoldErrors(model: Model, input: GraphInput): LakeError[] {
  const analysis = input.analyses.get(model.name);
  const isTold = model.cdc === null || dropSequence(model.cdc) === null;
  if (isTold || analysis === undefined || canBeFollowed({ model, analysis })) return [];
  const reasons = [...analysis.notIncremental, ...analysis.notDeterministic, ...analysis.clock];
  const message = `the rows of ${model.name} do not say which load they are of: ${reasons.join(", ")}`;
  return [
    new LakeError("config", message, {
      hint: "read one table of drops by filters and projections, or say what tells loads apart: load_by: as_of",
      place: settingPlace(model, "snapshot", "kind"),
      page: "T0108",
    }),
  ];
}

/** The first place in the query where the word is written. */
function queryPlace(model: Model, word: string): Place {
  const lines = model.sql.split("\n");
  const index = lines.findIndex((line) => line.includes(word));
  const column = (lines[Math.max(0, index)]?.indexOf(word) ?? 0) + 1;
  const line = model.sqlLine + Math.max(0, index);
  return { file: model.file, line, column: Math.max(1, column), length: word.length };
}

function relationshipErrors(model: Model, names: TableNames): LakeError[] {
  return model.tests.flatMap((test) => {
    if (test.kind !== "relationships") return [];
    const resolved = names.lookUp(test.to);
    if (resolved.kind === "table") return [];
    const nearest = resolved.kind === "unknown" ? resolved.nearest : [];
    const hint = nearest.length > 0 ? `did you mean "${nearest.join('" or "')}"?` : "name a table";
    const message = `a relationship points to "${test.to}", which is no table`;
    return [
      new LakeError("config", message, {
        hint,
        place: settingPlace(model, test.to),
        page: "T0202",
      }),
    ];
  });
}

/** A setting in a comment that does not count is a model of another kind than was meant. */
function remarkWarnings({ name, file, text }: Model): LakeError[] {
  return strayRemarks(text).map((remark) => {
    const place = { file, line: remark.line, column: 1, length: remark.text.length };
    const setting = remark.text.replace(/^--+\s*/, "");
    return new LakeError(
      "config",
      `${name}: "${remark.text}" reads like a setting, and is a remark`,
      {
        hint: `settings stand in a comment of their own before the query: /* tarn ${setting} */`,
        place,
        page: "T0110",
      },
    );
  });
}

/** An ephemeral model that no model reads does nothing, and nobody can ask it. */
function unreadWarnings(input: GraphInput, names: TableNames): LakeError[] {
  const read = new Set<TableName>();
  for (const { tables } of input.analyses.values()) {
    for (const ref of tables) {
      const resolved = names.lookUp(ref.name, ref.isOneWord);
      if (resolved.kind === "table") read.add(resolved.name);
    }
  }
  return input.models
    .filter(({ name, kind }) => kind === "ephemeral" && !read.has(name))
    .map((model) => {
      return new LakeError("config", `${model.name} is ephemeral, and no model reads it`, {
        hint: "write kind: view to ask for it in statements, or remove it",
        place: settingPlace(model, "ephemeral", "kind"),
      });
    });
}

/** What is as fresh as its readers need, and has none, waits for ever. */
function cadenceWarnings({ models }: GraphInput, graph: Graph | null): LakeError[] {
  if (graph === null) return [];
  const read = new Set([...graph.before.values()].flat());
  return models.flatMap((model) => {
    if (model.cadence?.kind !== "downstream" || read.has(model.name)) return [];
    const message = `${model.name} has target_lag: downstream, and no model reads it: up never takes what is new`;
    const hint = "write a time, such as target_lag: 10m, or leave it out: at once";
    return [new LakeError("config", message, { hint, place: settingPlace(model, "downstream") })];
  });
}

/** An incremental kind over a query that is not: it runs full, which is right but not what was meant. */
function kindWarnings(model: Model, input: GraphInput, names: TableNames): LakeError[] {
  const analysis = input.analyses.get(model.name);
  if (analysis === undefined) return [];
  const warnings: LakeError[] = remarkWarnings(model);
  const clock = clocksOf(model, input, names);
  const place = placeInModel(model, null, 1);
  const followed =
    isIncremental(model.kind) || ["insert_overwrite", "microbatch"].includes(model.kind);
  const clocks = clock.map((one) => `it reads the clock: ${one}`);
  const isByKeys = clocks.length === 0 && mayGoByKeys({ model, analysis });
  const reasons = isByKeys ? [] : [...analysis.notIncremental, ...clocks];
  if (followed && reasons.length > 0) {
    const why = reasons.join(", ");
    warnings.push(
      new LakeError("config", `${model.name} is ${model.kind} but runs full every time: ${why}`, {
        hint:
          model.cdc === null
            ? "that is right but slower; kind: full says what happens"
            : "that is right but slower; filters and projections over one input can go on from new rows",
        place,
        page: "T0220",
      }),
    );
  }
  if (!followed && !isInlined(model.kind) && clock.length > 0) {
    const what = clock.join(", ");
    const message = `${model.name} reads the clock (${what}): it is computed when its inputs change, not by time alone`;
    const hint = "let queries compare with now(), or build it by a schedule: tarn build --full";
    warnings.push(new LakeError("config", message, { hint, place, page: "T0222" }));
  }
  if (analysis.notDeterministic.length > 0) {
    const what = analysis.notDeterministic.join(", ");
    warnings.push(
      new LakeError("config", `two runs of ${model.name} may differ: ${what}`, {
        hint: "add an order by, or compute the value from a column",
        place,
        page: "T0221",
      }),
    );
  }
  return warnings;
}

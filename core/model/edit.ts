/**
 * What an edit of a model comes to: whether rows that are there stay true, and for which readers. Told from syntax
 * trees alone; what cannot be told is breaking. The words are SQLMesh's.
 */

import { counted } from "../base/quantity.ts";
import type { TableName } from "../table/types.ts";
import type { OutlineColumn, QueryOutline } from "./analysis.ts";
import type { Model } from "./model.ts";
import type { ModelNode } from "./node.ts";

export type EditClass =
  | "new"
  | "breaking"
  | "non-breaking"
  | "forward-only"
  | "metadata-only"
  | "indirect-breaking"
  | "indirect-non-breaking";

export interface Edit {
  readonly class: EditClass;
  readonly why: string;
  readonly effect: Effect;
}

/** What readers of the model's table see of an edit of it. */
export type Effect =
  | { readonly kind: "none" }
  /** Rows stay, with columns that were not there. */
  | { readonly kind: "added"; readonly columns: readonly string[] }
  /** Rows stay; these columns have other values, or are gone. */
  | { readonly kind: "columns"; readonly columns: readonly string[] }
  | { readonly kind: "rows" };

const NONE: Effect = { kind: "none" };
const ROWS: Effect = { kind: "rows" };

/** What became of a model since its table was made by `before`; null where it is the same text. */
export function editOf(before: ModelNode, after: ModelNode): Edit | null {
  if (before.model.kept === after.model.kept) return null;
  if (before.model.hash === after.model.hash) return metadataEdit(before.model, after.model);
  const found = settingsEdit(before.model, after.model) ?? {
    class: "metadata-only",
    why: "only its layout changed",
    effect: NONE,
  };
  const query = queryEdit(before.analysis.outline, after.analysis.outline);
  const edit = query === null ? found : worse(found, query);
  if (!after.model.forwardOnly || edit.class === "metadata-only") return edit;
  return { class: "forward-only", why: `${edit.why}; rows that are there stay`, effect: NONE };
}

/** Of a model behind a view that changed: what it was is not kept. */
export function viewEdit(): Edit {
  return breaking("a view that it reads changed, and what that was is not kept");
}

/** How a model that was not edited is touched by edits of what it reads; null where it is not. */
export function indirectEdit(
  { analysis }: Pick<ModelNode, "analysis">,
  parents: readonly (readonly [TableName, Edit])[],
): Edit | null {
  let found: Edit | null = null;
  for (const [name, { effect }] of parents) {
    const one = indirectBy(analysis.columns, name, effect);
    if (one !== null && (found === null || rank(one) > rank(found))) found = one;
  }
  return found;
}

/** Both of them, told as what is worse. */
export function worse(a: Edit, b: Edit): Edit {
  const [first, second] = rank(a) >= rank(b) ? [a, b] : [b, a];
  if (second.class === "metadata-only") return first;
  const why = `${first.why}; ${second.why}`;
  return { class: first.class, why, effect: joined(first.effect, second.effect) };
}

const RANKS: Readonly<Record<EditClass, number>> = {
  "metadata-only": 0,
  "indirect-non-breaking": 1,
  "forward-only": 1,
  "non-breaking": 2,
  "indirect-breaking": 3,
  breaking: 4,
  new: 5,
};

function rank(edit: Edit): number {
  return RANKS[edit.class];
}

function joined(a: Effect, b: Effect): Effect {
  if (a.kind === "none") return b;
  if (b.kind === "none") return a;
  if (a.kind === "rows" || b.kind === "rows") return ROWS;
  const columns = [...new Set([...a.columns, ...b.columns])];
  return { kind: a.kind === "added" && b.kind === "added" ? "added" : "columns", columns };
}

function indirectBy(
  { words, unnamed }: ModelNode["analysis"]["columns"],
  parent: TableName,
  effect: Effect,
): Edit | null {
  const breaking = (why: string): Edit => ({ class: "indirect-breaking", why, effect: ROWS });
  const harmless = (why: string, seen: Effect): Edit => ({
    class: "indirect-non-breaking",
    why,
    effect: seen,
  });
  if (effect.kind === "none") return null;
  if (effect.kind === "rows") return breaking(`rows of ${parent} change`);
  const named = effect.columns.find((column) => words.includes(column.toLowerCase()));
  // Every kind of star is a word of its tree.
  const takesAll = words.includes("star");
  if (effect.kind === "columns") {
    if (named !== undefined) return breaking(`it reads ${named} of ${parent}`);
    if (takesAll || unnamed) return breaking(`it takes all columns of ${parent}`);
    return harmless(`it reads none of the columns of ${parent} that change`, NONE);
  }
  if (named !== undefined) return breaking(`it names ${named}, which ${parent} did not have`);
  if (unnamed) return breaking(`it takes the columns of ${parent} otherwise than by name`);
  if (takesAll) return harmless(`it takes the new columns of ${parent}`, effect);
  return harmless(`it reads none of the new columns of ${parent}`, NONE);
}

/** The same rows under other words about them. */
function metadataEdit(before: Model, after: Model): Edit {
  const said = (model: Model): Readonly<Record<string, unknown>> => ({
    description: model.description,
    owner: model.owner,
    tags: model.tags,
    grain: model.grain,
    columns: model.contract === null ? null : [...model.contract],
    "when it runs": [model.cadence, model.onFailure],
    "tests of the project": model.uses.map((use) => [use, [...use.values]]),
    forward_only: model.forwardOnly,
  });
  const [old, now] = [said(before), said(after)];
  const changed = Object.keys(now).filter((key) => textOf(old[key]) !== textOf(now[key]));
  const what = changed.length === 0 ? "comments or layout" : changed.join(", ");
  return { class: "metadata-only", why: what, effect: NONE };
}

/** What of the settings that decide rows is another; null where none is. */
function settingsEdit(before: Model, after: Model): Edit | null {
  const ofRows: readonly (readonly [string, unknown, unknown])[] = [
    ["kind", before.kind, after.kind],
    ["key", before.key, after.key],
    ["latest_by", before.latestBy, after.latestBy],
    ["deleted_when", before.deletedWhen, after.deletedWhen],
    ["its changes of keys", before.cdc, after.cdc],
    ["its program", before.step, after.step],
    ["its windows", [before.windows, before.closing], [after.windows, after.closing]],
    ["on_schema_change", before.onSchemaChange, after.onSchemaChange],
  ];
  const other = ofRows.filter(([, old, now]) => textOf(old) !== textOf(now)).map(([key]) => key);
  if (other.length > 0) return { class: "breaking", why: isOther(other), effect: ROWS };
  const checks = checksEdit(before, after);
  if (textOf(before.partition) === textOf(after.partition)) return checks;
  const decides = after.kind === "insert_overwrite";
  const partition: Edit = decides
    ? { class: "breaking", why: "its partition decides which rows go", effect: ROWS }
    : { class: "non-breaking", why: "its partition is another; its rows stay", effect: NONE };
  return checks === null ? partition : worse(partition, checks);
}

/** A test that takes rows out decides which there are; another one has to hold of all of them. */
function checksEdit(before: Model, after: Model): Edit | null {
  const texts = (model: Model) => [
    ...model.expectations.map((one) => ({ name: one.name, action: one.action, text: textOf(one) })),
    ...model.tests.map((one) => ({ name: one.kind, action: "warn" as const, text: textOf(one) })),
  ];
  const [old, now] = [texts(before), texts(after)];
  const isIn = (list: ReturnType<typeof texts>, text: string): boolean =>
    list.some((one) => one.text === text);
  const other = [
    ...old.filter((one) => !isIn(now, one.text)),
    ...now.filter((one) => !isIn(old, one.text)),
  ];
  const [first] = other;
  if (first === undefined) {
    if (textOf(old) === textOf(now)) return null;
    return { class: "breaking", why: "its tests stand in another order", effect: ROWS };
  }
  const taking = other.find(({ action }) => action === "drop" || action === "quarantine");
  if (taking !== undefined) {
    const why = `its test ${taking.name} takes rows out`;
    return { class: "breaking", why, effect: ROWS };
  }
  return { class: "non-breaking", why: `its test ${first.name} changed`, effect: NONE };
}

/** What of its query is another; null where it says the same. */
function queryEdit(before: QueryOutline | undefined, after: QueryOutline | undefined): Edit | null {
  if (before === undefined || after === undefined) return breaking("its query was not understood");
  if (before.whole === after.whole) return null;
  if (before.columns === null || after.columns === null) {
    return breaking("its set of queries changed, of which columns are not told apart");
  }
  const parts = partsEdit(before, after);
  if (parts.class === "breaking") return parts;
  const columns = columnsEdit(
    { ...before, columns: before.columns },
    { ...after, columns: after.columns },
  );
  return columns === null ? parts : worse(columns, parts);
}

function partsEdit(before: QueryOutline, after: QueryOutline): Edit {
  let edit: Edit = { class: "metadata-only", why: "a part that nothing reads", effect: NONE };
  for (const part of new Set([...Object.keys(before.parts), ...Object.keys(after.parts)])) {
    const [old, now] = [before.parts[part], after.parts[part]];
    if (old === now) continue;
    const cte = /^WITH (.*)$/s.exec(part)?.[1];
    // A name that nothing has read is of no matter to what was there.
    if (cte !== undefined && old === undefined && !allWords(before).has(cte)) continue;
    if (cte !== undefined && now === undefined && !allWords(after).has(cte)) continue;
    const picks = [before, after].some((one) => one.isLimited || one.isDistinct);
    if (part !== "ORDER BY" || picks) return breaking(`its ${part} changed`);
    const why = "its ORDER BY changed; its rows stay";
    edit = { class: "non-breaking", why, effect: NONE };
  }
  return edit;
}

type Selected = Omit<QueryOutline, "columns"> & { readonly columns: readonly OutlineColumn[] };

function columnsEdit(before: Selected, after: Selected): Edit | null {
  const [old, now] = [byKey(before), byKey(after)];
  if (old === null || now === null) return breaking("two of its columns have one name");
  const kept = [...old.keys()].filter((key) => now.has(key));
  const added = [...now].filter(([key]) => !old.has(key)).map(([, column]) => column);
  const removed = [...old].filter(([key]) => !now.has(key)).map(([, column]) => column);
  const changed = kept.flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    return was === undefined || is === undefined || was.digest === is.digest ? [] : [{ was, is }];
  });
  const order = [...now.keys()].filter((key) => old.has(key));
  const touched = [...removed, ...changed.flatMap(({ was, is }) => [was, is])];
  const why = columnsText({ removed, added, changed: changed.map(({ is }) => is) });
  if (touched.length > 0) {
    const isOfRows =
      touched.some((one) => decidesRows(one, before)) ||
      hasAggregates(before) !== hasAggregates(after);
    const columns = touched.map(({ name }) => name);
    const isNamed = columns.every((name) => name !== "");
    const effect: Effect = isOfRows || !isNamed ? ROWS : { kind: "columns", columns };
    const news = addedEdit(added, before, after);
    return { class: "breaking", why, effect: news === null ? effect : joined(effect, news.effect) };
  }
  if (kept.some((key, at) => order[at] !== key)) {
    return breaking("its columns stand in another order");
  }
  return addedEdit(added, before, after);
}

function addedEdit(
  added: readonly OutlineColumn[],
  before: Selected,
  after: Selected,
): Edit | null {
  if (added.length === 0) return null;
  for (const column of added) {
    const why = whyOfRows(column, before, after);
    if (why !== null) return breaking(`the new column ${nameOf(column)} ${why}`);
  }
  const columns = added.map(({ name }) => name);
  const effect: Effect = columns.includes("") ? ROWS : { kind: "added", columns };
  const names = added.map(nameOf).join(", ");
  const why = `${counted(added.length, "new column")} (${names}); all others as they were`;
  return { class: columns.includes("") ? "breaking" : "non-breaking", why, effect };
}

/** Why a column that is added makes other rows; null where it does not. */
function whyOfRows(column: OutlineColumn, before: Selected, after: Selected): string | null {
  if (column.name === "*") return "is all columns of a table, whichever these are";
  if (column.makesRows) return "makes rows of one row";
  if (before.isDistinct) return "is one more by which rows are told apart (DISTINCT)";
  if (before.groupsAll && !column.aggregates) return "is one more to group by (GROUP BY ALL)";
  if (hasAggregates(before) !== hasAggregates(after)) return "makes one row of all";
  if (before.isLimited && before.words.includes("*")) return "may be one more to order by";
  const name = column.name.toLowerCase();
  if (!column.isPlain && allWords(before).has(name))
    return "has a name that the query used already";
  return null;
}

/** Whether other values of a column could come to other rows. */
function decidesRows(column: OutlineColumn, query: Selected): boolean {
  const { name } = column;
  if (column.makesRows || query.isDistinct || (query.groupsAll && !column.aggregates)) return true;
  const others = query.columns.filter((one) => one.name !== name);
  const isNamed = [query.words, ...others.map(({ words }) => words)].some((words) =>
    words.includes(name.toLowerCase()),
  );
  // A column under its own name is the input's wherever else it is named.
  return isNamed && !column.isPlain;
}

/** A query without groups of which one column is an aggregate has one row. */
function hasAggregates(query: Selected): boolean {
  return !query.isGrouped && query.columns.some(({ aggregates }) => aggregates);
}

/** Null where a name is there twice. */
function byKey({ columns }: Selected): Map<string, OutlineColumn> | null {
  const found = new Map<string, OutlineColumn>();
  for (const column of columns) {
    const isNamed = column.name !== "" && column.name !== "*";
    const key = isNamed ? column.name : `${column.name} ${column.digest}`;
    if (found.has(key)) return null;
    found.set(key, column);
  }
  return found;
}

function allWords({ words, columns }: QueryOutline): ReadonlySet<string> {
  return new Set([...words, ...(columns ?? []).flatMap((column) => column.words)]);
}

function columnsText(edit: {
  readonly removed: readonly OutlineColumn[];
  readonly added: readonly OutlineColumn[];
  readonly changed: readonly OutlineColumn[];
}): string {
  const added = [...edit.added];
  const texts: string[] = [];
  for (const gone of edit.removed) {
    const at = added.findIndex((one) => one.digest === gone.digest && one.name !== "");
    const [renamed] = at < 0 ? [] : added.splice(at, 1);
    if (renamed !== undefined) texts.push(`${nameOf(gone)} is called ${nameOf(renamed)}`);
    else texts.push(`${nameOf(gone)} is gone`);
  }
  for (const column of edit.changed) texts.push(`${nameOf(column)} is another expression`);
  for (const column of added) texts.push(`${nameOf(column)} is new`);
  return texts.join(", ");
}

function nameOf({ name }: OutlineColumn): string {
  return name === "" ? "without a name" : name;
}

function breaking(why: string): Edit {
  return { class: "breaking", why, effect: ROWS };
}

function isOther(settings: readonly string[]): string {
  return `${settings.join(", ")} changed`;
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? `${part}n` : part)) ?? ""
  );
}

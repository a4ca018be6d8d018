/** Corrections as models meet them: which are others than those that a model has read its inputs through. */

import { isJsonObject, type Json, parseJson, stringifyJson } from "../base/json.ts";
import type { InputChange } from "../engine.ts";
import type { Catalog } from "../ports.ts";
import type { Correction } from "../table/correction.ts";
import { INGESTED_COLUMN } from "../table/system-columns.ts";
import type { Scan, TableName } from "../table/types.ts";
import type { Place } from "./cursor.ts";
import type { ModelNode } from "./node.ts";
import { type Names, readsOf } from "./pins.ts";
import type { Change } from "./run-plan.ts";

/** Keeps what they do for ever, by their hashes: what a model has read is read again to see what an edit changes. */
export async function keepCorrections(
  { runs }: Pick<Catalog, "runs">,
  corrections: readonly Correction[],
): Promise<void> {
  for (const one of corrections) {
    await runs.keepModel(one.hash, `correction:${one.name}`, stringifyJson(toJson(one)));
  }
}

/** Keeps the corrections that a model reads its inputs through. */
export async function keepReadings(
  catalog: Pick<Catalog, "runs">,
  names: Names,
  { analysis }: ModelNode,
): Promise<void> {
  const read = readsOf(names, analysis.tables).all;
  await keepCorrections(
    catalog,
    read.flatMap((name) => names.corrections?.(name) ?? []),
  );
}

/** An input that is read through other corrections than it was, and what is other about them. */
export async function otherReading(
  { runs }: Pick<Catalog, "runs">,
  names: Names,
  table: TableName,
  { corrections = [] }: Place,
): Promise<Pick<Change, "delta" | "correctedBy">> {
  const now = names.corrections?.(table) ?? [];
  const before: Correction[] = [];
  for (const hash of corrections) {
    const one = correctionFrom(await runs.modelText(hash));
    if (one !== null) before.push(one);
  }
  const isKnown = before.length === corrections.length;
  const reason = `${table} is read otherwise: ${differences(before, now)}`;
  return { delta: { kind: "full", reason }, correctedBy: isKnown ? before : null };
}

/** What an input was read as, and what it is read as now: the rows that are the same in both count for nothing. */
export function rereadChange(
  was: Scan,
  before: readonly Correction[],
  now: Scan,
): Pick<InputChange, "before" | "removed" | "added" | "marked"> {
  const by = now.corrected?.by ?? [];
  const other = [
    ...before.filter((one) => by.every(({ hash }) => hash !== one.hash)),
    ...by.filter((one) => before.every(({ hash }) => hash !== one.hash)),
  ];
  // Rows outside of their ranges are what they were, as long as the table is.
  const isNarrow =
    was.snapshotId === now.snapshotId && other.length > 0 && other.every(isFixedRange);
  const within = isNarrow ? { within: other } : {};
  return {
    before: { ...was, corrected: { by: before } },
    removed: { ...was, corrected: { by: before, ...within } },
    added: { ...now, corrected: { by, ...within } },
    marked: null,
  };
}

/** `cents was edited, typo was added`; their order, where nothing else differs. */
export function differences(before: readonly Correction[], now: readonly Correction[]): string {
  const has = (all: readonly Correction[], hash: string) => all.some((one) => one.hash === hash);
  const gone = before.filter(({ hash }) => !has(now, hash));
  const come = now.filter(({ hash }) => !has(before, hash));
  const edited = come.filter(({ name }) => gone.some((one) => one.name === name));
  const isEdited = ({ name }: Correction) => edited.some((one) => one.name === name);
  const words = [
    ...come.map((one) => `${one.name} was ${isEdited(one) ? "edited" : "added"}`),
    ...gone.filter((one) => !isEdited(one)).map(({ name }) => `${name} was removed`),
  ];
  if (words.length === 0) return "its corrections have another order";
  return `correction ${words.join(", ")}`;
}

function toJson({ sets, time, ...plain }: Correction): Json {
  return {
    ...plain,
    sets: sets === null ? null : sets.map((set) => ({ ...set })),
    time: time === null ? null : { ...time, ...(time.wall && { wall: { ...time.wall } }) },
  };
}

/** Ranges that no correction can move, because they are over what says where a row came from. */
function isFixedRange({ batches, files, time }: Correction): boolean {
  return batches.length > 0 || files.length > 0 || time?.column === INGESTED_COLUMN;
}

/** Null for what is none. */
function correctionFrom(text: string | null): Correction | null {
  if (text === null) return null;
  const value = parseJson(text);
  if (!isJsonObject(value) || !Array.isArray(value.batches)) return null;
  const { time, sets } = value;
  return {
    name: String(value.name),
    hash: String(value.hash),
    file: String(value.file),
    line: Number(value.line),
    batches: value.batches.map(String),
    files: Array.isArray(value.files) ? value.files.map(String) : [],
    time: isJsonObject(time)
      ? {
          column: String(time.column),
          ...{ fromMs: numberOf(time.fromMs), toMs: numberOf(time.toMs) },
          ...(isJsonObject(time.wall)
            ? { wall: { fromMs: numberOf(time.wall.fromMs), toMs: numberOf(time.wall.toMs) } }
            : {}),
        }
      : null,
    sets: Array.isArray(sets)
      ? sets.flatMap((set) =>
          isJsonObject(set) ? [{ column: String(set.column), sql: String(set.sql) }] : [],
        )
      : null,
    where: typeof value.where === "string" ? value.where : null,
  };
}

function numberOf(value: Json | undefined): number | null {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
}

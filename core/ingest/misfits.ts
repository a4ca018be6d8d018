/**
 * A few values that do not fit: whether a column keeps the type that all the others have, and they are set aside. The
 * share is of the values of one file, so that it does not matter which files come in one batch.
 */

import { thousands } from "../base/quantity.ts";
import type { MixedPlace, ObservedColumn } from "../engine.ts";
import { MISFIT_VALUES_MIN, MISFIT_VALUES_SPAN } from "../limits.ts";
import type { Catalog } from "../ports.ts";
import { awaited, NOTHING, STRING, sameType, typeToText } from "../table/type-text.ts";
import type { Table, Type } from "../table/types.ts";
import type {
  ColumnPolicy,
  Contract,
  ContractColumn,
  DriftEvent,
  MisfitChoice,
  SourceConfig,
} from "./contract.ts";
import { type Judged, type Observation, widen } from "./contract-rules.ts";
import { columnPolicy, saidOf } from "./drift-policy.ts";

/** By the column's name in the files, in lower case. */
export type MisfitChoices = ReadonlyMap<string, MisfitChoice>;

/** What is known while all that ever landed is learned from anew. */
export interface Learning {
  readonly choices?: MisfitChoices | undefined;
  /** Values of columns so far, by name. */
  readonly landed: ReadonlyMap<string, number>;
}

/**
 * True where so many of these values are few. `before`: values of the column that landed, which count with those of a
 * file that has too few to say much.
 */
export function areFew(
  { misfits, values }: Pick<MixedPlace, "misfits" | "values">,
  share: number,
  before: number,
): boolean {
  const all = Math.max(values, Math.min(values + before, MISFIT_VALUES_SPAN));
  // 1e-9: 29 of 100 are 29 %.
  return all >= MISFIT_VALUES_MIN && misfits <= share * all + 1e-9;
}

/** What was chosen for columns of a contract. */
export function choicesOf(contract: Contract | null): MisfitChoices {
  const chosen = (contract?.columns ?? []).flatMap(({ source, misfits }) =>
    misfits === undefined ? [] : [[source.toLowerCase(), misfits] as const],
  );
  return new Map(chosen);
}

export interface MisfitContext {
  readonly source: SourceConfig;
  readonly choices: MisfitChoices;
  /** Values of columns of the table, by name; see `landedValues`. */
  readonly landed: ReadonlyMap<string, number>;
}

/** Decides file by file, in the order that they are learned in. */
export class MisfitJudge {
  readonly events: DriftEvent[] = [];
  /** Columns of which values are set aside, by their names in the files. */
  readonly aside = new Set<string>();
  readonly #context: MisfitContext;
  readonly #values = new Map<string, number>();

  constructor(context: MisfitContext) {
    this.#context = context;
  }

  /** The column as it is learned: without its misfits, where they are few. */
  readonly judge = (
    file: string,
    known: ContractColumn | undefined,
    seen: ObservedColumn,
  ): Judged => {
    const choice = known?.misfits ?? this.#context.choices.get(seen.name.toLowerCase());
    const judged = this.#isJudged(known, seen, choice)
      ? this.#column(file, known, seen, choice)
      : seen;
    const key = seen.name.toLowerCase();
    this.#values.set(key, (this.#values.get(key) ?? 0) + (seen.values ?? 0));
    return choice === undefined ? judged : { ...judged, misfitChoice: choice };
  };

  #isJudged(
    known: ContractColumn | undefined,
    seen: ObservedColumn,
    choice: MisfitChoice | undefined,
  ): boolean {
    const { source } = this.#context;
    if (known?.declared === true || seen.unseen || choice === "widen") return false;
    if (choice === "keep") return true;
    const said: ColumnPolicy | undefined = saidOf(source, known ?? { ...seen, source: seen.name });
    if (said === "evolve") return false;
    return known === undefined || known.unseen || columnPolicy(source, known) === "evolve";
  }

  #column(
    file: string,
    known: ContractColumn | undefined,
    seen: ObservedColumn,
    choice: MisfitChoice | undefined,
  ): ObservedColumn {
    const name = known?.name ?? seen.name;
    const was = known === undefined || known.unseen ? NOTHING : known.type;
    let { type } = seen;
    for (const place of placesOf(was, seen, choice === "keep")) {
      const before = typeAt(was, place.way);
      if (before !== null && isText(before)) continue;
      const isSame = before === null || !isText(widen(before, place.type));
      // Of another type than before: none of them fits.
      const next = isSame ? place.type : (before ?? STRING);
      const misfits = isSame ? place.misfits : place.values;
      const landed = place.way.length === 0 ? this.#landed(seen.name, name, was) : 0;
      const { misfits: share = 0 } = this.#context.source.read;
      if (choice !== "keep" && !areFew({ ...place, misfits }, share, landed)) continue;
      type = placed(type, place.way, next);
      this.aside.add(known?.source ?? seen.name);
      const at = [name, ...place.way].join(".");
      const is = before === null ? "is" : "stays";
      const to = before === null ? next : widen(before, next);
      this.events.push({
        column: name,
        change: "misfits",
        from: typeToText(to),
        to: "string",
        file,
        message: `${at} ${is} ${typeToText(to)}: ${misfitsText(misfits, place)}`,
        ...(choice === "keep" ? { isChosen: true } : {}),
      });
    }
    return { ...seen, type };
  }

  #landed(field: string, name: string, was: Type): number {
    const { landed } = this.#context;
    const inTable = awaited(was) === null ? (landed.get(name) ?? 0) : 0;
    return inTable + (this.#values.get(field.toLowerCase()) ?? 0);
  }
}

/**
 * Values that stand in the columns of a table, where one of these files needs them: it has few of its own. Columns that
 * became text say nothing of what they were.
 */
export async function landedValues(
  catalog: Pick<Catalog, "scan">,
  table: Table | null,
  contract: Contract | null,
  seen: readonly Observation[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const few = seen.flatMap(({ columns }) =>
    columns.filter(({ values = 0 }) => values < MISFIT_VALUES_SPAN),
  );
  if (table === null || contract === null || few.length === 0) return counts;
  const { files } = await catalog.scan(table, table.current);
  for (const { name, type } of contract.columns) {
    const field = table.schema.fields.find((each) => each.name === name);
    if (field === undefined || isText(field.type)) continue;
    if (!sameType(widen(type, field.type), field.type)) continue;
    let count = 0n;
    for (const { file } of files) {
      const { valueCount = 0n, nullCount = 0n } = file.metrics.get(field.id) ?? {};
      count += valueCount - nullCount;
    }
    counts.set(name, Number(count));
  }
  return counts;
}

/** Places that are mixed, or a column that is of another type than before. */
function placesOf(was: Type, seen: ObservedColumn, isKept: boolean): readonly MixedPlace[] {
  const { mixed = [], values = isKept ? 0 : undefined } = seen;
  const isWhole = mixed.some(({ way }) => way.length === 0);
  const isOther = awaited(was) === null && !isText(was) && isText(widen(was, seen.type));
  if (isWhole || !isOther || values === undefined) return mixed;
  const { first } = seen;
  return [{ way: [], type: STRING, values, misfits: values, shown: first ?? "" }];
}

function misfitsText(misfits: number, { values, shown }: MixedPlace): string {
  if (values === 0) return "what does not fit is set aside";
  const verb = misfits === 1 ? "does not fit and is set aside" : "do not fit and are set aside";
  const which = shown === "" ? "" : `: ${shown}`;
  return `${thousands(misfits)} of ${thousands(values)} values ${verb}${which}`;
}

function isText(type: Type): boolean {
  return sameType(type, STRING);
}

/** Null where there is no such place yet. */
function typeAt(type: Type, way: readonly string[]): Type | null {
  const [step, ...rest] = way;
  if (awaited(type) !== null) return null;
  if (step === undefined) return type;
  if (type.kind === "list") return typeAt(type.element, rest);
  if (type.kind !== "struct") return null;
  const field = type.fields.find(({ name }) => name.toLowerCase() === step.toLowerCase());
  return field === undefined ? null : typeAt(field.type, rest);
}

/** `type` with another one at a place. */
function placed(type: Type, way: readonly string[], place: Type): Type {
  const [step, ...rest] = way;
  if (step === undefined) return place;
  if (type.kind === "list") return { ...type, element: placed(type.element, rest, place) };
  if (type.kind !== "struct") return type;
  const fields = type.fields.map((field) =>
    field.name === step ? { ...field, type: placed(field.type, rest, place) } : field,
  );
  return { ...type, fields };
}

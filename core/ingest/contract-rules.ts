/**
 * How a contract is declared, learned and changed: pure decisions over what files were seen to hold, and which type
 * holds the values of two others exactly.
 */

import { LakeError } from "../base/errors.ts";
import { stringifyJson } from "../base/json.ts";
import type { ObservedColumn } from "../engine.ts";
import { isReserved } from "../table/system-columns.ts";
import {
  awaited,
  filled,
  firstType,
  hasPlaceholder,
  isOnlyFilled,
  NOTHING,
  STRING,
  sameType,
  typeToText,
} from "../table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../table/types.ts";
import type {
  Contract,
  ContractColumn,
  DriftEvent,
  MisfitChoice,
  SourceConfig,
} from "./contract.ts";

const PRECISION_MAX = 38;
/** Digits before the point that a long may need. */
const LONG_DIGITS = 19;

/** The narrowest type that holds every value of both; string when nothing else does. */
export function widen(a: Type, b: Type): Type {
  if (sameType(a, b)) return a;
  if (awaited(a) !== null) return firstType(a, b);
  if (awaited(b) !== null) return firstType(b, a);
  if (a.kind === "struct" && b.kind === "struct") return widenStructs(a.fields, b.fields);
  if (a.kind === "list" && b.kind === "list") {
    return { ...a, elementRequired: false, element: widen(a.element, b.element) };
  }
  if (a.kind === "map" && b.kind === "map" && sameType(a.key, b.key)) {
    return { ...a, valueRequired: false, value: widen(a.value, b.value) };
  }
  return widenNumbers(a, b) ?? widenTimes(a, b) ?? STRING;
}

function widenStructs(a: readonly Field[], b: readonly Field[]): Type {
  const bByName = new Map(b.map((field) => [field.name, field]));
  const aNames = new Set(a.map((field) => field.name));
  const fields = a.map((field) => {
    const other = bByName.get(field.name);
    return other === undefined ? field : { ...field, type: widen(field.type, other.type) };
  });
  return { kind: "struct", fields: [...fields, ...b.filter((field) => !aNames.has(field.name))] };
}

function widenNumbers(a: Type, b: Type): Type | null {
  if (isNamed(a, "float") || isNamed(b, "float")) {
    const other = isNamed(a, "float") ? b : a;
    return isNamed(other, "double") || isNamed(other, "int")
      ? { kind: "primitive", name: "double" }
      : null;
  }
  if (isNamed(a, "int") && isNamed(b, "long")) return b;
  if (isNamed(a, "long") && isNamed(b, "int")) return a;
  // Integers up to 2^53 are exact as double; whether these are is proved where values are decoded.
  if (isNamed(a, "double") && isInteger(b)) return a;
  if (isNamed(b, "double") && isInteger(a)) return b;
  const left = asDecimal(a);
  const right = asDecimal(b);
  if (left === null || right === null) return null;
  const scale = Math.max(left.scale, right.scale);
  const digits = Math.max(left.precision - left.scale, right.precision - right.scale);
  if (digits + scale > PRECISION_MAX) return null;
  // No digit more than both need: a wider one could leave no room for the next scale.
  return { kind: "decimal", precision: digits + scale, scale };
}

/**
 * A date is not widened to a timestamp with a zone: the zone would be a guess. A timestamp and a
 * timestamptz have only their text in common.
 */
function widenTimes(a: Type, b: Type): Type | null {
  const names = [a, b].map((type) => (type.kind === "primitive" ? type.name : null));
  if (names.includes("date") && names.includes("timestamp")) {
    return { kind: "primitive", name: "timestamp" };
  }
  return null;
}

function asDecimal(type: Type): { precision: number; scale: number } | null {
  if (type.kind === "decimal") return type;
  // A learned decimal(18, s) after longs: the longs that were seen decide, and they fit or the
  // decoder reports them; 38 digits hold any long beside 18 decimals.
  return isInteger(type) ? { precision: LONG_DIGITS, scale: 0 } : null;
}

function isInteger(type: Type): boolean {
  return isNamed(type, "int") || isNamed(type, "long");
}

function isNamed(type: Type, name: PrimitiveName): boolean {
  return type.kind === "primitive" && type.name === name;
}

/** Whether a column may become another one: null where it may, else why not, empty where only its policy says so. */
export type Hold = (from: ContractColumn, to: ContractColumn) => string | null;

/** A column of a file as it is learned, and what was chosen for values that do not fit it. */
export interface Judged extends ObservedColumn {
  readonly misfitChoice?: MisfitChoice;
}

/** What a column of a file teaches, where not all that it holds does. */
export type Judge = (
  file: string,
  known: ContractColumn | undefined,
  seen: ObservedColumn,
) => Judged;

/** What one file showed, by its name. */
export interface Observation {
  readonly file: string;
  readonly columns: readonly ObservedColumn[];
}

export interface Learned {
  readonly contract: Contract;
  readonly drift: readonly DriftEvent[];
  /** Table columns with places that had no value before and take a type now, each with its type from before. */
  readonly filled: ReadonlyMap<string, Type>;
  /** Columns that would have changed and were held, where there is something to say about it. */
  readonly held: readonly DriftEvent[];
}

/**
 * The contract that tarn.yaml states, version 1; null when it states no columns. A column that was given its name, in
 * the contract that is `stored`, is stated by that.
 */
export function declaredContract(
  source: SourceConfig,
  stored: Contract | null = null,
): Contract | null {
  if (source.declared === null) return null;
  const required = new Set(source.required);
  const renamed = new Map(
    (stored?.columns ?? []).filter((column) => column.renamed).map((one) => [one.name, one.source]),
  );
  const columns = source.declared.map(({ name, type, source: said, notes }) => {
    const field = said ?? renamed.get(name) ?? name;
    // What takes wider types is learned, from the type that is stated on.
    const isFixed = source.onDrift?.[name] !== "evolve";
    return {
      name,
      source: field,
      type,
      declared: isFixed,
      unseen: false,
      required: required.has(name),
      ...(said === undefined && renamed.has(name) ? { renamed: true as const } : {}),
      ...(isFixed ? {} : { begun: type }),
      ...(notes === undefined ? {} : { notes }),
    };
  });
  const contract = { source: source.name, version: 1, columns, read: source.read };
  return source.notes === undefined ? contract : { ...contract, notes: source.notes };
}

/** A contract that tarn.yaml no longer declares: its columns stay, and learn from now on like any other. */
export function withoutDeclared(stored: Contract): Contract {
  const isStated = stored.columns.some(({ declared, begun }) => declared || begun !== undefined);
  if (!isStated) return stored;
  const columns = stored.columns.map(learnedFrom);
  const { notes: _notes, ...rest } = stored;
  return { ...rest, version: stored.version + 1, columns };
}

/** A column that is declared no longer goes on with the type that its rows have; what was said of it stays. */
export function learnedFrom({ begun: _begun, ...column }: ContractColumn): ContractColumn {
  return { ...column, declared: false, required: false };
}

/** True when the stored contract no longer says what tarn.yaml declares. */
export function contractDiffers(stored: Contract, declared: Contract): boolean {
  const text = (contract: Contract): string =>
    contract.columns
      .filter(({ declared: isDeclared, begun }) => isDeclared || begun !== undefined)
      .map(({ name, source, begun, type, required, notes = {} }) => {
        const words = [typeToText(begun ?? type), begun === undefined, required];
        return `${name} ${words.join(" ")} ${source} ${stringifyJson(notes)}`;
      })
      .join("\n");
  const said = ({ notes }: Contract): string =>
    stringifyJson(notes === undefined ? {} : { ...notes });
  return text(stored) !== text(declared) || said(stored) !== said(declared);
}

/**
 * The contract after these observations: new columns are added, known ones widened until every value fits.
 * Declared columns never change. Returns the same version when nothing changed. `asText` names columns whose earlier
 * rows no wider type holds exactly: they become text. `onlyFirst`: only places without a type so far take one. `hold`
 * is asked before any other change of a column that is known, and `judge` before anything is learned of a column.
 */
export function learn(
  source: string,
  before: Contract | null,
  seen: readonly Observation[],
  asText: ReadonlySet<string> = new Set(),
  onlyFirst = false,
  hold: Hold = () => null,
  judge: Judge = (_file, _known, seen) => seen,
): Learned {
  const columns: ContractColumn[] = [...(before?.columns ?? [])];
  const drift: DriftEvent[] = [];
  const held: DriftEvent[] = [];
  const places = new Places(columns);
  const filledByName = new Map<string, Type>();
  for (const { file, columns: observed } of seen) {
    // The first file of all is what later ones are held against.
    const isFirst = before === null && file === seen[0]?.file;
    const names = new Set(observed.map((column) => column.name));
    for (const each of observed) {
      const index = places.find(each.name, names);
      const known = index < 0 ? undefined : columns[index];
      const column = judge(file, known, each);
      if (known === undefined) {
        if (onlyFirst) continue;
        const added = newColumn(column, places);
        places.add(added);
        columns.push(added);
        if (!isFirst) drift.push(addedEvent(file, added, column.first));
        continue;
      }
      const next = widenColumn(known, column, asText, onlyFirst);
      if (next === known) continue;
      const from = typeSoFar(known);
      const reason = isOnlyFilled(from, next.type) ? null : hold(known, next);
      if (reason !== null) {
        if (reason !== "") held.push(heldEvent(file, known, next, reason));
        continue;
      }
      columns[index] = next;
      if (hasPlaceholder(from) && !filledByName.has(known.name)) {
        // Under a contract of an earlier version there may be texts where none was to be.
        filledByName.set(known.name, known.type);
      }
      if (!isOnlyFilled(from, next.type) && before !== null) {
        // A column that an earlier file made wider is not what this value was held against.
        const first = before.columns.includes(known) ? column.first : undefined;
        drift.push(widenedEvent(file, known, next, first));
      }
    }
  }
  const changed = drift.length > 0 || filledByName.size > 0 || before === null;
  const version = before === null ? 1 : before.version + (changed ? 1 : 0);
  const read = before?.read ?? null;
  const notes = before?.notes === undefined ? {} : { notes: before.notes };
  return {
    contract: { source, version, columns, read, ...notes },
    drift,
    filled: filledByName,
    held,
  };
}

/** The column that a field of a file is of. */
export function columnFor({ columns }: Contract, source: string): ContractColumn | undefined {
  const places = PLACES.get(columns) ?? new Places(columns);
  PLACES.set(columns, places);
  return columns[places.find(source, NO_NAMES)];
}

const NO_NAMES: ReadonlySet<string> = new Set();
/** Of contracts that are asked about column by column. */
const PLACES = new WeakMap<readonly ContractColumn[], Places>();

/** Where columns stand by what files call them, and the names that are taken: there may be thousands. */
class Places {
  readonly #exact = new Map<string, number>();
  readonly #folded = new Map<string, { readonly source: string; readonly at: number }[]>();
  readonly #taken = new Set<string>();
  #count = 0;

  constructor(columns: readonly ContractColumn[]) {
    for (const column of columns) this.add(column);
  }

  /** Behind the others. */
  add({ name, source }: ContractColumn): void {
    const at = this.#count++;
    this.#taken.add(name.toLowerCase());
    if (!this.#exact.has(source)) this.#exact.set(source, at);
    const folded = source.toLowerCase();
    const alike = this.#folded.get(folded);
    if (alike === undefined) this.#folded.set(folded, [{ source, at }]);
    else alike.push({ source, at });
  }

  /** By the exact name, then ignoring case; a column that the same file has by its exact name is not meant. */
  find(source: string, names: ReadonlySet<string>): number {
    const exact = this.#exact.get(source);
    if (exact !== undefined) return exact;
    const alike = this.#folded.get(source.toLowerCase()) ?? [];
    return alike.find((each) => !names.has(each.source))?.at ?? -1;
  }

  isTaken(name: string): boolean {
    return this.#taken.has(name.toLowerCase());
  }
}

/**
 * A contract that was learned anew with the names of another one of the same source, where somebody chose one of them:
 * a column that is new, or declared, is called as it is.
 */
export function withChosenNames(learned: Contract, stored: Contract | null): Contract {
  if (stored === null || !stored.columns.some(({ renamed }) => renamed)) return learned;
  const columns: ContractColumn[] = learned.columns.filter(({ declared }) => declared);
  const places = new Places(columns);
  const add = (column: ContractColumn): void => {
    places.add(column);
    columns.push(column);
  };
  const known = (column: ContractColumn) => columnFor(stored, column.source);
  const named = learned.columns.filter((column) => !column.declared && known(column) !== undefined);
  for (const column of named) {
    const { name = column.name, renamed } = known(column) ?? {};
    const free = freeName(name, places);
    add({ ...column, name: free, ...(renamed && free === name ? { renamed } : {}) });
  }
  for (const column of learned.columns.filter((one) => !one.declared && !named.includes(one))) {
    add({ ...column, name: freeName(column.name, places) });
  }
  const order = new Map(learned.columns.map(({ source }, index) => [source, index]));
  columns.sort((one, other) => (order.get(one.source) ?? 0) - (order.get(other.source) ?? 0));
  return { ...learned, columns };
}

/** Another column has the name, whatever its case. */
export function isNameTaken(contract: Contract, column: ContractColumn, name: string): boolean {
  const folded = name.toLowerCase();
  return contract.columns.some(
    (other) => other.name !== column.name && other.name.toLowerCase() === folded,
  );
}

/** The contract with another column in the place of one. */
export function withColumn(
  contract: Contract,
  column: ContractColumn,
  next: ContractColumn,
): Contract {
  const columns = contract.columns.map((one) => (one.name === column.name ? next : one));
  return { ...contract, columns };
}

function newColumn(column: Judged, places: Places): ContractColumn {
  return {
    name: columnName(column.name, places),
    source: column.name,
    type: column.type,
    declared: false,
    unseen: column.unseen,
    required: false,
    ...(column.misfitChoice === undefined ? {} : { misfits: column.misfitChoice }),
  };
}

/** What a field without a name lands as. */
const UNNAMED = "unnamed";

/** A source column that is called like a system column lands under another name. */
function columnName(source: string, places: Places): string {
  const called = source === "" ? UNNAMED : source;
  return freeName(isReserved(called.toLowerCase()) ? `source${called}` : called, places);
}

function freeName(base: string, places: Places): string {
  let name = base;
  for (let count = 2; places.isTaken(name); count++) name = `${base}_${count}`;
  return name;
}

function widenColumn(
  known: ContractColumn,
  seen: ObservedColumn,
  asText: ReadonlySet<string>,
  onlyFirst: boolean,
): ContractColumn {
  if (known.declared || seen.unseen) return known;
  const from = typeSoFar(known);
  const type = onlyFirst ? filled(from, seen.type) : widen(from, seen.type);
  if (sameType(type, from)) return known;
  const isFilled = isOnlyFilled(from, type);
  return { ...known, type: asText.has(known.name) && !isFilled ? STRING : type, unseen: false };
}

/** Contracts of earlier versions call a column without values a string. */
function typeSoFar(column: ContractColumn): Type {
  return column.unseen ? NOTHING : column.type;
}

function addedEvent(file: string, column: ContractColumn, first?: string): DriftEvent {
  const to = typeToText(column.type);
  return {
    column: column.name,
    change: "added",
    from: null,
    to,
    file,
    message: `new column ${column.name} (${to})${firstText(first)}`,
  };
}

function widenedEvent(
  file: string,
  from: ContractColumn,
  to: ContractColumn,
  first: string | undefined,
): DriftEvent {
  const [before, after] = [typeToText(from.type), typeToText(to.type)];
  return {
    column: from.name,
    change: "widened",
    from: before,
    to: after,
    file,
    message: `${from.name} is now ${after}, was ${before}${firstText(first)}`,
  };
}

function heldEvent(
  file: string,
  from: ContractColumn,
  to: ContractColumn,
  reason: string,
): DriftEvent {
  const [before, after] = [typeToText(from.type), typeToText(to.type)];
  const message = `${from.name} stays ${before}, values that are ${after} are set aside: ${reason}`;
  return { column: from.name, change: "quarantined", from: before, to: after, file, message };
}

/** The files that make up a table: the most that share a column with one another, the first ones where it is a tie. */
export function acquainted<File extends Pick<Observation, "columns">>(
  files: readonly File[],
): readonly File[] {
  let rest = files;
  let most: readonly File[] = [];
  while (rest.length > most.length) {
    const circle = new Set<File>();
    const names = new Set<string>();
    const knows = ({ columns }: File) =>
      names.size === 0 || columns.some(({ name }) => names.has(name.toLowerCase()));
    for (let size = -1; size < circle.size; ) {
      size = circle.size;
      for (const file of rest) {
        if (circle.has(file) || !knows(file)) continue;
        circle.add(file);
        for (const { name } of file.columns) names.add(name.toLowerCase());
      }
    }
    if (circle.size > most.length) most = rest.filter((file) => circle.has(file));
    rest = rest.filter((file) => !circle.has(file));
  }
  return most;
}

/** The error of `schema: fail`, naming the first thing that does not fit. */
export function refuseDrift(
  source: string,
  seen: Observation,
  setting = "schema: fail",
): LakeError {
  const names = seen.columns.map(
    ({ name, type, first }) => `${name} (${typeToText(type)})${firstText(first)}`,
  );
  return new LakeError("schema", `${seen.file} does not fit the contract of ${source}`, {
    hint: `new or wider: ${names.slice(0, 5).join("; ")}; nothing of it was landed (${setting})`,
    context: { source, file: seen.file },
  });
}

function firstText(first: string | undefined): string {
  return first === undefined ? "" : `, first ${first}`;
}

/**
 * Whether one contract may follow others: who reads by one of them reads what was written by the other. The modes are
 * those of schema registries; the rules are Avro's for records, where an optional column is one that may be null and
 * be absent, and types hold each value of another exactly.
 */

import { unreachable } from "../base/assert.ts";
import type { Contract } from "../ingest/contract.ts";
import { awaited, sameType, typeToText } from "../table/type-text.ts";
import type { PrimitiveName, Type } from "../table/types.ts";
import type { Compatibility } from "./modes.ts";

/** Something that one who reads by one contract cannot read of what was written by the other. */
export interface Break {
  /**
   * `type`: the column that is read holds not every value that was written; `null`: it is required, and what was
   * written may be null; `missing`: it is required, and was not written at all.
   */
  readonly rule: "type" | "null" | "missing";
  /** With the way into it: `address.city`, `lines[].sku`, `tags{}`. */
  readonly column: string;
  /** Types in Iceberg's words; `written` is null where nothing was. */
  readonly read: string;
  readonly written: string | null;
}

/** A break between a contract and one before it. */
export interface Incompatibility extends Break {
  /** `backward`: the new contract cannot read what was written by the old one; `forward`: the other way round. */
  readonly direction: "backward" | "forward";
  /** The version of the older contract. */
  readonly version: number;
}

type Columns = Pick<Contract, "columns">;

/**
 * What forbids that `next` follows `before`, the first version first; empty where nothing does. Transitive modes ask
 * all versions, the others the last.
 */
export function incompatibilities(
  next: Columns,
  before: readonly (Columns & Pick<Contract, "version">)[],
  mode: Compatibility,
): Incompatibility[] {
  const asked = isTransitive(mode) ? before : before.slice(-1);
  const backward = asks(mode, "backward");
  const forward = asks(mode, "forward");
  return asked.flatMap((old) => {
    const found = (direction: Incompatibility["direction"], breaks: readonly Break[]) =>
      breaks.map((each) => ({ ...each, direction, version: old.version }));
    return [
      ...(backward ? found("backward", breaksOf(next, old)) : []),
      ...(forward ? found("forward", breaksOf(old, next)) : []),
    ];
  });
}

/** What one who reads by `reader` cannot read of what was written by `writer`. */
export function breaksOf(reader: Columns, writer: Columns): Break[] {
  const read = reader.columns.map(({ source, type, required }) => ({
    name: source,
    type,
    required,
  }));
  const written = writer.columns.map(({ source, type, required }) => ({
    name: source,
    type,
    required,
  }));
  return recordBreaks(read, written, "", "ignoring case");
}

/** In words: which column, which rule, both types. */
export function breakText({ rule, column, read, written }: Break): string {
  switch (rule) {
    case "type":
      return `${column}: ${read} does not hold every ${written ?? "value"}`;
    case "null":
      return `${column}: ${read} is required, and may be null where it was written`;
    case "missing":
      return `${column}: ${read} is required, and is not written`;
    default:
      return unreachable(rule);
  }
}

interface Part {
  readonly name: string;
  readonly type: Type;
  readonly required: boolean;
}

function recordBreaks(
  read: readonly Part[],
  written: readonly Part[],
  way: string,
  names: "exactly" | "ignoring case",
): Break[] {
  return read.flatMap((part): Break[] => {
    const column = way === "" ? part.name : `${way}.${part.name}`;
    const other = partOf(written, part.name, names);
    const said = { column, read: typeToText(part.type), written: null };
    if (other === undefined) return part.required ? [{ ...said, rule: "missing" }] : [];
    const nulls: Break[] =
      part.required && !other.required
        ? [{ ...said, rule: "null", written: typeToText(other.type) }]
        : [];
    return [...nulls, ...typeBreaks(part.type, other.type, column)];
  });
}

/** As files are matched with columns: by the exact name, then ignoring case. */
function partOf(
  parts: readonly Part[],
  name: string,
  names: "exactly" | "ignoring case",
): Part | undefined {
  const exact = parts.find((part) => part.name === name);
  if (exact !== undefined || names === "exactly") return exact;
  return parts.find((part) => part.name.toLowerCase() === name.toLowerCase());
}

function typeBreaks(read: Type, written: Type, column: string): Break[] {
  // Where no value was seen any type may come, and nothing but nulls was written.
  if (awaited(read) !== null || awaited(written) !== null) return [];
  if (read.kind === "struct" && written.kind === "struct") {
    return recordBreaks(read.fields, written.fields, column, "exactly");
  }
  if (read.kind === "list" && written.kind === "list") {
    return typeBreaks(read.element, written.element, `${column}[]`);
  }
  if (read.kind === "map" && written.kind === "map" && sameType(read.key, written.key)) {
    return typeBreaks(read.value, written.value, `${column}{}`);
  }
  if (holds(read, written)) return [];
  return [{ rule: "type", column, read: typeToText(read), written: typeToText(written) }];
}

/** Types, and those whose values they hold exactly and mean the same by. */
const HELD: Readonly<Partial<Record<PrimitiveName, readonly PrimitiveName[]>>> = {
  long: ["int"],
  double: ["float", "int"],
  timestamp: ["date"],
  string: ["uuid"],
};

const INTEGER_DIGITS: Readonly<Partial<Record<PrimitiveName, number>>> = { int: 10, long: 19 };

function holds(read: Type, written: Type): boolean {
  if (sameType(read, written)) return true;
  if (read.kind === "primitive" && written.kind === "primitive") {
    return HELD[read.name]?.includes(written.name) === true;
  }
  if (read.kind !== "decimal") return false;
  const whole = read.precision - read.scale;
  if (written.kind === "decimal") {
    return read.scale >= written.scale && whole >= written.precision - written.scale;
  }
  const digits = written.kind === "primitive" ? INTEGER_DIGITS[written.name] : undefined;
  return digits !== undefined && whole >= digits;
}

function isTransitive(mode: Compatibility): boolean {
  return mode.endsWith("_transitive");
}

function asks(mode: Compatibility, direction: "backward" | "forward"): boolean {
  return mode.startsWith(direction) || mode.startsWith("full");
}

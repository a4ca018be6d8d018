/** What changed from one version of a contract to another, column by column, for people. */

import { unreachable } from "../base/assert.ts";
import { stringifyJson } from "../base/json.ts";
import type { Contract, ContractColumn } from "../ingest/contract.ts";
import { readingDifferences } from "../ingest/current-contract.ts";
import { hasPlaceholder, sameType, typeToText } from "../table/type-text.ts";
import type { Type } from "../table/types.ts";

export type DifferenceKind =
  | "added"
  | "removed"
  | "renamed"
  | "type"
  | "required"
  | "optional"
  | "declared"
  | "learned"
  | "notes"
  | "kept"
  | "widened"
  | "unchosen"
  | "reading";

export interface Difference {
  readonly kind: DifferenceKind;
  /** With the way into it, as `lines[].sku`; of `reading` the setting. */
  readonly column: string;
  /** Types, where that is what changed; names of a column that was renamed. */
  readonly from: string | null;
  readonly to: string | null;
}

/** Empty where the versions say the same. `before` is null for the first. */
export function differencesOf(before: Contract | null, after: Contract): Difference[] {
  const old = new Map((before?.columns ?? []).map((column) => [column.name, column]));
  const names = new Set(after.columns.map(({ name }) => name));
  const left = [...old.values()].filter(({ name }) => !names.has(name));
  const known = (column: ContractColumn): ContractColumn | undefined =>
    old.get(column.name) ?? left.find(({ source }) => source === column.source);
  const renamed = new Set(after.columns.map(known));
  const gone = left.filter((column) => !renamed.has(column));
  return [
    ...after.columns.flatMap((column) => columnDifferences(known(column), column)),
    ...gone.map((column) => difference("removed", column.name, typeWord(column.type), null)),
    ...readings(before, after),
  ];
}

/** A line each, without an end; what only is said otherwise of one column is one line. */
export function differenceTexts(differences: readonly Difference[]): string[] {
  const lines: string[] = [];
  let last: string | null = null;
  for (const difference of differences) {
    const word = wordOf(difference.kind);
    if (word === null) lines.push(lineOf(difference));
    else if (last === difference.column) lines.push(`${lines.pop() ?? ""}, ${word}`);
    else lines.push(`~ ${difference.column} ${word}`);
    last = word === null ? null : difference.column;
  }
  return lines;
}

function wordOf(kind: DifferenceKind): string | null {
  switch (kind) {
    case "required":
      return "is required";
    case "optional":
      return "may be null";
    case "declared":
      return "is declared";
    case "learned":
      return "is learned from now on";
    case "notes":
      return "is described otherwise";
    case "kept":
      return "keeps its type, misfits are set aside";
    case "widened":
      return "takes every value";
    case "unchosen":
      return "takes what its misfits say";
    case "added":
    case "removed":
    case "renamed":
    case "type":
    case "reading":
      return null;
    default:
      return unreachable(kind);
  }
}

function lineOf({ kind, column, from, to }: Difference): string {
  if (kind === "added") return `+ ${column} ${to ?? ""}`;
  if (kind === "removed") return `- ${column} ${from ?? ""}`;
  if (kind === "renamed") return `~ ${to ?? ""}, was called ${from ?? ""}`;
  if (kind === "type") return `~ ${column} ${to ?? ""}, was ${from ?? ""}`;
  return `~ files are read by another ${column}`;
}

/** A type as people see it; a place that has no value yet is no text. */
export function typeWord(type: Type): string {
  if (!hasPlaceholder(type)) return typeToText(type);
  switch (type.kind) {
    case "list":
      return `list<${typeWord(type.element)}>`;
    case "map":
      return `map<${typeToText(type.key)}, ${typeWord(type.value)}>`;
    case "struct":
      return `struct<${type.fields.map((f) => `${f.name}: ${typeWord(f.type)}`).join(", ")}>`;
    default:
      return "(no value yet)";
  }
}

function columnDifferences(
  before: ContractColumn | undefined,
  after: ContractColumn,
): Difference[] {
  const { name } = after;
  if (before === undefined) return [difference("added", name, null, typeWord(after.type))];
  const found = typeDifferences(before.type, after.type, name);
  if (before.name !== name) found.unshift(difference("renamed", name, before.name, name));
  if (before.required !== after.required) {
    found.push(difference(after.required ? "required" : "optional", name));
  }
  if (before.declared !== after.declared) {
    found.push(difference(after.declared ? "declared" : "learned", name));
  }
  if (before.misfits !== after.misfits) {
    const { misfits } = after;
    const kind = misfits === undefined ? "unchosen" : misfits === "keep" ? "kept" : "widened";
    found.push(difference(kind, name));
  }
  const notes = ({ notes: said = {} }: ContractColumn): string => stringifyJson(said);
  if (notes(before) !== notes(after)) found.push(difference("notes", name));
  return found;
}

function typeDifferences(before: Type, after: Type, column: string): Difference[] {
  if (sameType(before, after)) return [];
  if (before.kind === "list" && after.kind === "list") {
    return typeDifferences(before.element, after.element, `${column}[]`);
  }
  if (before.kind === "map" && after.kind === "map" && sameType(before.key, after.key)) {
    return typeDifferences(before.value, after.value, `${column}{}`);
  }
  if (before.kind !== "struct" || after.kind !== "struct") {
    return [difference("type", column, typeWord(before), typeWord(after))];
  }
  const old = new Map(before.fields.map((field) => [field.name, field.type]));
  const names = new Set(after.fields.map(({ name }) => name));
  const found = after.fields.flatMap(({ name, type }) => {
    const known = old.get(name);
    const inner = `${column}.${name}`;
    if (known === undefined) return [difference("added", inner, null, typeWord(type))];
    return typeDifferences(known, type, inner);
  });
  const gone = before.fields.filter(({ name }) => !names.has(name));
  return [
    ...found,
    ...gone.map(({ name, type }) =>
      difference("removed", `${column}.${name}`, typeWord(type), null),
    ),
  ];
}

function readings(before: Contract | null, { read }: Contract): Difference[] {
  if (before === null || before.read === null || read === null) return [];
  // Names of columns by position follow from the columns.
  const settings = readingDifferences(before.read, read).filter((setting) => setting !== "names");
  return settings.map((setting) => difference("reading", setting));
}

function difference(
  kind: DifferenceKind,
  column: string,
  from: string | null = null,
  to: string | null = null,
): Difference {
  return { kind, column, from, to };
}

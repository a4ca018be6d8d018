/** The contract of a model's table: its columns with their types, which no run may publish others than. */

import { LakeError } from "../base/errors.ts";
import { nearestWord } from "../base/suggest.ts";
import {
  below,
  type Cursor,
  isRecord,
  list,
  mapOf,
  nullable,
  oneOf,
  optional,
  report,
  type Shape,
  text,
} from "../config/shape.ts";
import { declaredTypeText, parseTypeText } from "../config/type-text.ts";
import { sameType } from "../table/type-text.ts";
import type { Column, Type } from "../table/types.ts";
import type { Contract, Model, ModelKind } from "./model.ts";
import { settingPlace } from "./setting-place.ts";

/** What `columns:` says: which to keep, or which there are with their types. */
export interface ModelColumns {
  readonly names: readonly string[];
  readonly types: Contract | null;
}

const NAMES = list(text({}));
const TYPES = mapOf(
  text({
    check: (value) => {
      const parsed = parseTypeText(value);
      return parsed.kind === "invalid" ? parsed.reason : null;
    },
  }),
);
const COLUMNS: Shape<ModelColumns> = {
  get schema() {
    return { anyOf: [NAMES.schema, TYPES.schema] };
  },
  read: (value, cursor) => {
    if (!isRecord(value)) {
      const names = NAMES.read(value, cursor);
      return names === undefined ? undefined : { names, types: null };
    }
    const texts = TYPES.read(value, cursor);
    if (texts === undefined) return undefined;
    const types = new Map<string, Type>();
    for (const [name, written] of texts) {
      const parsed = parseTypeText(written);
      if (parsed.kind === "type") types.set(name, parsed.type);
    }
    return { names: [...types.keys()], types };
  },
  spell: () => null,
};

const NO_CONTRACT: "enforced" | null = null;

/** Settings of what a model's table is to be. */
export const CONTRACT_KEYS = {
  contract: optional(
    nullable(oneOf(["enforced"], { enforce: "enforced", true: "enforced" })),
    NO_CONTRACT,
    "enforced: a run whose columns are not just those of columns:, by name and type, publishes nothing.",
  ),
  columns: optional(
    nullable(COLUMNS),
    null,
    "The columns with their types, of a contract; cdc, snapshot: the columns to keep. Default: all.",
  ),
};

export interface ContractValues {
  readonly contract: "enforced" | null;
  readonly columns: ModelColumns | null;
}

/** The contract, or null; reports what is missing or means nothing. */
export function contractFrom(
  kind: ModelKind,
  { contract, columns }: ContractValues,
  cursor: Cursor,
): Contract | null {
  const types = columns?.types ?? null;
  if (contract === null && types === null) return null;
  if (kind === "view" || kind === "ephemeral") {
    const key = contract === null ? "columns" : "contract";
    const hint = "write kind: full, or move it to a model that reads this";
    const message = `${key} means nothing for kind ${kind}: no run publishes its rows`;
    report(below(cursor, key), message, hint, "key");
    return null;
  }
  if (kind === "lookup") return null;
  // A program says nothing of its columns before it ran: what is said of them holds.
  if (kind === "exec" && types !== null && types.size > 0) return types;
  if (contract === null) {
    const hint = "add the line: contract: enforced";
    report(
      below(cursor, "columns"),
      "types of columns mean nothing without a contract",
      hint,
      "key",
    );
    return null;
  }
  if (types !== null && types.size > 0) return types;
  const hint = "add a line such as: columns: { order_id: bigint, amount: 'decimal(18,2)' }";
  report(below(cursor, "contract"), "a contract needs columns with their types", hint);
  return null;
}

/** Where the columns that a run gives are other ones than the contract's, each at its place in the file. */
export function contractErrors(model: Model, given: readonly Column[]): readonly LakeError[] {
  const { name: table, contract } = model;
  if (contract === null) return [];
  const errors: LakeError[] = [];
  const broken = (message: string, hint: string, word: string, setting: string): void => {
    const place = settingPlace(model, word, setting);
    errors.push(new LakeError("schema", message, { hint, place, page: "T0207" }));
  };
  const names = given.map(({ name }) => name);
  for (const [name, type] of contract) {
    const wanted = declaredTypeText(type);
    const column = given.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (column === undefined) {
      const near = nearestWord(name, names);
      const hint =
        near === null ? "give it, or take it out of columns:" : `did you mean "${near}"?`;
      broken(
        `${table} gives no ${name}, which its contract has as ${wanted}`,
        hint,
        name,
        "columns",
      );
    } else if (!sameType(column.type, type)) {
      const message = `${table}: ${name} is ${declaredTypeText(column.type)}, and ${wanted} in its contract`;
      broken(message, `write the cast you mean: ${name}::${wanted} AS ${name}`, name, "columns");
    }
  }
  const declared = new Set([...contract.keys()].map((name) => name.toLowerCase()));
  // What a kind adds by itself is no part of what the model says.
  const isOwn = (name: string): boolean => model.cdc === null || !name.startsWith("__");
  for (const { name, type } of given) {
    if (declared.has(name.toLowerCase()) || !isOwn(name)) continue;
    const written = declaredTypeText(type);
    const message = `${table} gives ${name} (${written}), which its contract does not have`;
    broken(
      message,
      `leave it out, or add it to columns: ${name}: ${written}`,
      "enforced",
      "contract",
    );
  }
  return errors;
}

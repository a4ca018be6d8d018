/** The columns that an entry of `sources:` states: under `columns:`, or by the contract document that it names. */

import { nearestWord } from "../base/suggest.ts";
import type { StatedContract } from "../contract/stated.ts";
import type { ColumnPolicy, DeclaredColumn } from "../ingest/contract.ts";
import { feedName } from "../ingest/feed.ts";
import { BRONZE_COLUMNS, FILE_ALIAS, RESCUED_COLUMN, ROW_COLUMN } from "../table/system-columns.ts";
import { sameType, typeToText } from "../table/type-text.ts";
import type { Type } from "../table/types.ts";
import {
  below,
  boolean,
  type Cursor,
  isRecord,
  nullable,
  object,
  oneOf,
  optional,
  report,
  type Shape,
  text,
} from "./shape.ts";
import { parseTypeText, TYPE_WORDS } from "./type-text.ts";

/** What stands behind the name of a column; without a type it says only what is done with what does not fit. */
export interface GivenColumn {
  readonly type: Type | null;
  readonly required: boolean;
  readonly onDrift: ColumnPolicy | null;
  readonly description: string | null;
  readonly classification: string | null;
}

/** Columns as they are to land, and what is said of them besides. */
export interface Columns {
  /** Null where no type is stated. */
  readonly declared: readonly DeclaredColumn[] | null;
  readonly required: readonly string[];
  readonly onDrift: Readonly<Record<string, ColumnPolicy>>;
  /** Names by position, for files without a header. */
  readonly names: readonly string[];
}

const NOTHING: string | null = null;
const NO_TYPE: TypeText | null = null;
const NO_POLICY: ColumnPolicy | null = null;

/** Words that other tools, and `schema:`, have for what is done. */
const OTHER_POLICIES = {
  widen: "evolve",
  allow: "evolve",
  discard_row: "quarantine",
  reject: "quarantine",
  freeze: "fail",
  strict: "fail",
  ignore: "quarantine",
};

const COLUMN_KEYS = {
  type: optional(
    nullable(typeText()),
    NO_TYPE,
    "Its type, as varchar or decimal(10,2). Default: learned, or as its contract says.",
  ),
  required: optional(boolean(), false, "NULL sets the row aside."),
  on_drift: optional(
    nullable(oneOf(["evolve", "quarantine", "fail"], OTHER_POLICIES)),
    NO_POLICY,
    "What a value does that does not fit: the column takes a wider type, the row is set aside, or nothing lands. " +
      "Default: as schema says; with a type, the row is set aside.",
  ),
  description: optional(
    nullable(text({})),
    NOTHING,
    "What it means, which other engines show as well.",
  ),
  classification: optional(
    nullable(text({ examples: ["public", "confidential"] })),
    NOTHING,
    "How confidential it is, in your words.",
  ),
};

/** A type alone, or keys with it. */
export function columnShape(): Shape<GivenColumn> {
  const keys = object(COLUMN_KEYS);
  const type = typeText();
  return {
    get schema() {
      return { anyOf: [type.schema, keys.schema] };
    },
    read: (value, cursor) => {
      if (!isRecord(value)) {
        const read = type.read(value, cursor);
        return read === undefined ? undefined : { ...NO_KEYS, ...read };
      }
      const read = keys.read(value, cursor);
      if (read === undefined) return undefined;
      const { on_drift: onDrift, description, classification } = read;
      const required = read.required || read.type?.required === true;
      const given = { onDrift, description, classification, required };
      const isNothing = onDrift === null && description === null && classification === null;
      if (read.type === null && !required && isNothing) {
        return report(cursor, "nothing is said of the column", "write its type, such as varchar");
      }
      return { ...given, type: read.type?.type ?? null };
    },
    spell: () => null,
  };
}

/** Reports what contradicts itself, and the document. */
export function columnsOf(
  given: {
    readonly columns: ReadonlyMap<string, GivenColumn>;
    readonly required: readonly string[];
  },
  stated: StatedContract | null,
  isFeed: boolean,
  cursor: Cursor,
): Columns {
  const inner = below(cursor, "columns");
  refuseNames(given.columns, isFeed, inner);
  if (stated !== null) refuseDocumentNames(stated, isFeed, below(cursor, "contract"));
  const declared = stated === null ? ownColumns(given.columns) : both(given.columns, stated, inner);
  const isEmpty = declared.length === 0;
  const policies = [...given.columns].flatMap(([name, { onDrift }]) =>
    onDrift === null ? [] : [[name, onDrift] as const],
  );
  const names =
    stated === null ? [...given.columns.keys()] : declared.map((column) => nameIn(column));
  return {
    declared: isEmpty ? null : declared,
    required: requiredNames(given, stated, isEmpty ? null : declared, cursor),
    onDrift: Object.fromEntries(policies),
    names,
  };
}

interface TypeText {
  readonly type: Type;
  readonly required: boolean;
}

const NO_KEYS = { onDrift: null, description: null, classification: null } as const;

function typeText(): Shape<TypeText> {
  return {
    schema: { type: "string", examples: ["varchar", "decimal(10,2)", "bigint not null"] },
    read: (value, cursor) => {
      if (typeof value !== "string") {
        return report(cursor, "expected a type such as varchar or decimal(10,2)");
      }
      const result = parseTypeText(value);
      if (result.kind === "type") return { type: result.type, required: result.required };
      const word = /^[\p{L}\p{N}_]+/u.exec(value)?.[0] ?? "";
      const near = TYPE_WORDS.includes(word.toLowerCase()) ? null : nearestWord(word, TYPE_WORDS);
      return report(cursor, result.reason, near === null ? null : `did you mean "${near}"?`);
    },
    spell: () => null,
  };
}

function refuseNames(
  columns: ReadonlyMap<string, GivenColumn>,
  isFeed: boolean,
  cursor: Cursor,
): void {
  const seen = new Map<string, string>();
  for (const name of columns.keys()) {
    const before = seen.get(name.toLowerCase());
    if (before !== undefined) {
      report(below(cursor, name), `"${before}" and "${name}" are one column to SQL`, null, "key");
    }
    seen.set(name.toLowerCase(), name);
    if (isOurs(name, isFeed)) {
      report(below(cursor, name), `"${name}" is a column of the lake's own`, null, "key");
    }
  }
}

function refuseDocumentNames({ columns }: StatedContract, isFeed: boolean, cursor: Cursor): void {
  for (const { name } of columns) {
    if (isOurs(name, isFeed)) report(cursor, `its "${name}" is a column of the lake's own`);
  }
}

function isOurs(name: string, isFeed: boolean): boolean {
  return SYSTEM_NAMES.has(name.toLowerCase()) || (isFeed && feedName(name) !== name);
}

const SYSTEM_NAMES: ReadonlySet<string> = new Set(
  [...BRONZE_COLUMNS, RESCUED_COLUMN, ROW_COLUMN].map((column) => column.name).concat(FILE_ALIAS),
);

function ownColumns(columns: ReadonlyMap<string, GivenColumn>): DeclaredColumn[] {
  return [...columns].flatMap(([name, given]) =>
    given.type === null ? [] : [{ name, type: given.type, ...notesOf(given) }],
  );
}

function notesOf({ description, classification }: GivenColumn): Pick<DeclaredColumn, "notes"> {
  const said = {
    ...(description === null ? {} : { description }),
    ...(classification === null ? {} : { classification }),
  };
  return Object.keys(said).length === 0 ? {} : { notes: { "": said } };
}

/** The columns of the document, of which tarn.yaml may say more, but nothing else. */
function both(
  columns: ReadonlyMap<string, GivenColumn>,
  stated: StatedContract,
  cursor: Cursor,
): DeclaredColumn[] {
  const names = stated.columns.map(({ name }) => name);
  for (const name of columns.keys()) {
    if (names.includes(name)) continue;
    const near = nearestWord(name, names);
    const hint = near === null ? `its columns are ${names.join(", ")}` : `did you mean "${near}"?`;
    report(below(cursor, name), `the contract has no column "${name}"`, hint, "key");
  }
  return stated.columns.map(({ name, source, type, required, notes }) => {
    const given = columns.get(name);
    if (given !== undefined) refuseOther(given, { type, required }, below(cursor, name));
    const said = given === undefined ? undefined : notesOf(given).notes?.[""];
    const all = said === undefined ? notes : { ...notes, "": { ...notes?.[""], ...said } };
    return {
      name,
      type,
      ...(source === name ? {} : { source }),
      ...(all === undefined ? {} : { notes: all }),
    };
  });
}

function refuseOther(given: GivenColumn, stated: TypeText, cursor: Cursor): void {
  const hint = "say it in one of them alone";
  if (given.type !== null && !sameType(given.type, stated.type)) {
    const [here, there] = [typeToText(given.type), typeToText(stated.type)];
    report(cursor, `${here} here, and ${there} in the contract`, hint);
  }
  if (given.required && !stated.required) {
    report(cursor, "required here, and not in the contract", hint);
  }
}

function requiredNames(
  given: {
    readonly columns: ReadonlyMap<string, GivenColumn>;
    readonly required: readonly string[];
  },
  stated: StatedContract | null,
  declared: readonly DeclaredColumn[] | null,
  cursor: Cursor,
): readonly string[] {
  const inner = below(cursor, "required");
  const names = declared?.map((column) => column.name) ?? [];
  for (const [index, name] of given.required.entries()) {
    if (declared === null || names.includes(name)) continue;
    const near = nearestWord(name, names);
    const hint = near === null ? `the columns are ${names.join(", ")}` : `did you mean "${near}"?`;
    report(below(inner, index), `"${name}" is not one of the declared columns`, hint);
  }
  const notNull = [...given.columns].filter(([, column]) => column.required).map(([name]) => name);
  const inContract = (stated?.columns ?? []).filter(({ required }) => required);
  return [...new Set([...given.required, ...notNull, ...inContract.map(({ name }) => name)])];
}

function nameIn({ name, source = name }: DeclaredColumn): string {
  return source;
}

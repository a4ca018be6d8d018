/** Types of a server's columns: what the server says of them, and the type here that holds every value of them. */

import type { WireType } from "../../../core/ingest/wire-type.ts";
import type { Connection, Row } from "./connection.ts";

/** Nesting of domains, arrays and composites that is followed. */
const DEPTH_MAX = 16;
const DECIMAL_PRECISION_MAX = 38;
const TYPMOD_HEAD = 4;
/** numeric: precision in the upper half, scale in the lower 11 bits with a sign. numeric_typmod_scale of PostgreSQL. */
const SCALE_BITS = 0x7ff;
const SCALE_SIGN = 0x400;

/** The types here, by oid of the server's own types. docs/sources/postgres.md has them with their reasons. */
const TYPES: Readonly<Record<number, string>> = {
  16: "boolean",
  17: "blob",
  20: "bigint",
  21: "int",
  23: "int",
  26: "bigint",
  700: "real",
  701: "double",
  1082: "date",
  1083: "time",
  1114: "timestamp",
  1184: "timestamptz",
  2950: "uuid",
};
const NUMERIC = 1700;
/** Types whose binary form is read: those with one form in all versions, that is shorter and quicker than the text. */
const BINARY: ReadonlySet<number> = new Set([16, 17, 20, 21, 23, 700, 701, 1082, 1114, 1184, 2950]);

const KINDS: Readonly<Record<string, WireType["kind"]>> = {
  d: "domain",
  e: "enum",
  c: "composite",
  r: "range",
  m: "multirange",
};

/** Looks types up once a connection, and again when a table changed. */
export class TypeCatalog {
  readonly #connection: Connection;
  readonly #rowByOid = new Map<number, Row>();
  readonly #fieldsByOid = new Map<number, readonly Row[]>();
  readonly #labelsByOid = new Map<number, readonly string[]>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Forgets what was looked up: types may have changed with a table. */
  forget(): void {
    this.#rowByOid.clear();
    this.#fieldsByOid.clear();
    this.#labelsByOid.clear();
  }

  /** What the server says of types, with what they are over. One that is gone meanwhile is one of no kind. */
  async typesOf(
    columns: readonly { readonly typeOid: number; readonly typmod: number }[],
  ): Promise<readonly WireType[]> {
    await this.#load(columns.map(({ typeOid }) => typeOid));
    return columns.map(({ typeOid, typmod }) => this.#typeOf(typeOid, typmod, 0));
  }

  async #load(oids: readonly number[]): Promise<void> {
    let missing = [...new Set(oids)].filter((oid) => !this.#rowByOid.has(oid));
    for (let depth = 0; depth < DEPTH_MAX && missing.length > 0; depth++) {
      const rows = await this.#connection.rows(typesQuery(missing), "read the types of columns");
      for (const oid of missing) this.#rowByOid.set(oid, GONE);
      for (const row of rows) this.#rowByOid.set(Number(row[0]), row);
      await this.#loadParts(rows);
      const further = rows.flatMap((row) => [Number(row[4]), Number(row[6]), Number(row[8])]);
      const ofFields = rows.flatMap((row) =>
        (this.#fieldsByOid.get(Number(row[0])) ?? []).map((field) => Number(field[2])),
      );
      missing = [...new Set([...further, ...ofFields])].filter(
        (oid) => oid !== 0 && !this.#rowByOid.has(oid),
      );
    }
  }

  async #loadParts(rows: readonly Row[]): Promise<void> {
    const composites = rows.filter((row) => row[3] === "c").map((row) => String(row[9]));
    const enums = rows.filter((row) => row[3] === "e").map((row) => String(row[0]));
    if (composites.length > 0) {
      const fields = await this.#connection.rows(fieldsQuery(composites), "read composite types");
      for (const row of rows.filter((type) => type[3] === "c")) {
        const own = fields.filter((field) => field[0] === row[9]);
        this.#fieldsByOid.set(Number(row[0]), own);
      }
    }
    if (enums.length === 0) return;
    const labels = await this.#connection.rows(labelsQuery(enums), "read enum types");
    for (const oid of enums) {
      const own = labels.filter((label) => label[0] === oid).map((label) => label[1] ?? "");
      this.#labelsByOid.set(Number(oid), own);
    }
  }

  #typeOf(oid: number, typmod: number, depth: number): WireType {
    const row = this.#rowByOid.get(oid) ?? GONE;
    const [, schema, name, letter, base, baseTypmod, element, delimiter, range] = row;
    const isOwn = schema === "pg_catalog";
    const type = {
      oid,
      typmod,
      name: name === null ? `type ${oid}` : isOwn ? `${name}` : `${schema}.${name}`,
    };
    if (depth >= DEPTH_MAX) return { ...type, kind: "base" };
    const inner = (of: number, mod = -1) => this.#typeOf(of, mod, depth + 1);
    const kind = KINDS[letter ?? ""] ?? (Number(element) === 0 ? "base" : "array");
    switch (kind) {
      case "domain":
        return { ...type, kind, base: inner(Number(base), Number(baseTypmod)) };
      case "array":
        return {
          ...type,
          kind,
          element: inner(Number(element), typmod),
          delimiter: `${delimiter}`,
        };
      case "range":
      case "multirange":
        return { ...type, kind, element: inner(Number(range)) };
      case "enum":
        return { ...type, kind, labels: this.#labelsByOid.get(oid) ?? [] };
      case "composite":
        return { ...type, kind, fields: this.#fieldsOf(oid, depth) };
      case "base":
        return { ...type, kind };
    }
  }

  #fieldsOf(oid: number, depth: number): NonNullable<WireType["fields"]> {
    return (this.#fieldsByOid.get(oid) ?? []).map(([, name, typeOid, typmod]) => ({
      name: `${name}`,
      wire: this.#typeOf(Number(typeOid), Number(typmod), depth + 1),
    }));
  }
}

/** The type here that holds every value of a type: `varchar` where none does. */
export function typeTextOf(type: WireType): string {
  switch (type.kind) {
    case "domain":
      return type.base === undefined ? "varchar" : typeTextOf(type.base);
    case "base":
      return type.oid === NUMERIC ? decimalOf(type.typmod) : (TYPES[type.oid] ?? "varchar");
    default:
      return "varchar";
  }
}

/** True when values are taken in their binary form where the server offers it. */
export function isBinary(type: WireType): boolean {
  if (type.kind === "domain") return type.base !== undefined && isBinary(type.base);
  return type.kind === "base" && BINARY.has(type.oid);
}

const GONE: Row = ["0", null, null, "b", "0", "-1", "0", ",", "0", "0"];

/**
 * A precision of up to 38 digits is a decimal, also where the scale is below zero or above the precision. NaN, which
 * such a column may hold too, is no decimal: its row is set aside.
 */
function decimalOf(typmod: number): string {
  if (typmod < TYPMOD_HEAD) return "varchar";
  const value = typmod - TYPMOD_HEAD;
  const precision = value >> 16;
  const scale = ((value & SCALE_BITS) ^ SCALE_SIGN) - SCALE_SIGN;
  const [digits, places] = scale < 0 ? [precision - scale, 0] : [Math.max(precision, scale), scale];
  return digits <= DECIMAL_PRECISION_MAX ? `decimal(${digits},${places})` : "varchar";
}

function typesQuery(oids: readonly number[]): string {
  return `SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typtypmod,
      CASE WHEN t.typlen = -1 AND t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc
        THEN t.typelem ELSE 0 END,
      coalesce((SELECT e.typdelim FROM pg_type e WHERE e.oid = t.typelem), ','),
      coalesce((SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid),
        (SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid), 0),
      t.typrelid
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE t.oid IN (${oids.join(", ")})`;
}

function fieldsQuery(relations: readonly string[]): string {
  return `SELECT attrelid, attname, atttypid, atttypmod FROM pg_attribute
    WHERE attrelid IN (${relations.join(", ")}) AND attnum > 0 AND NOT attisdropped
    ORDER BY attrelid, attnum`;
}

function labelsQuery(oids: readonly string[]): string {
  return `SELECT enumtypid, enumlabel FROM pg_enum WHERE enumtypid IN (${oids.join(", ")})
    ORDER BY enumtypid, enumsortorder`;
}

/**
 * Types of columns: what the log and the server's catalog say together, in words of the server's own, and what each
 * lands as. The words are read again when values are: `bigint unsigned`, `datetime(6)`, `binary(16)`, `bit(5)`.
 */

import { BINLOG_TYPE } from "../../../core/ingest/binlog-row.ts";
import { textOfBytes } from "../../../core/ingest/charset-text.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import type { CatalogColumn, Charsets } from "./catalog.ts";
import type { MapColumn } from "./table-map.ts";

/** Digits that a decimal column holds. */
const DIGITS_MAX = 38;
/** The collation of bytes. */
const BINARY = 63;

const INTEGERS: Readonly<Record<number, string>> = {
  [BINLOG_TYPE.tiny]: "tinyint",
  [BINLOG_TYPE.short]: "smallint",
  [BINLOG_TYPE.int24]: "mediumint",
  [BINLOG_TYPE.long]: "int",
  [BINLOG_TYPE.longlong]: "bigint",
  [BINLOG_TYPE.float]: "float",
  [BINLOG_TYPE.double]: "double",
};

const PLAIN: Readonly<Record<number, string>> = {
  [BINLOG_TYPE.year]: "year",
  [BINLOG_TYPE.date]: "date",
  [BINLOG_TYPE.newdate]: "date",
  [BINLOG_TYPE.time]: "time",
  [BINLOG_TYPE.datetime]: "datetime",
  [BINLOG_TYPE.timestamp]: "timestamp",
  [BINLOG_TYPE.geometry]: "geometry",
  [BINLOG_TYPE.json]: "json",
  [BINLOG_TYPE.vector]: "vector",
};

/** Types that the log has as bytes, and the catalog by their names. */
const NAMED_BYTES: ReadonlySet<string> = new Set(["uuid", "inet6", "inet4"]);

/** The type of a column of a table map; `known` is the column of that name in the catalog, where there is one. */
export function wireOfMap(
  column: MapColumn,
  known: CatalogColumn | null,
  charsets: Charsets,
): WireType {
  const { type, meta, unsigned } = column;
  const plain = (name: string): WireType => ({ oid: type, typmod: meta, name, kind: "base" });
  const integer = INTEGERS[type];
  if (integer !== undefined) return plain(unsigned ? `${integer} unsigned` : integer);
  const word = PLAIN[type];
  if (word !== undefined) return plain(word);
  switch (type) {
    case BINLOG_TYPE.newdecimal:
      return plain(`decimal(${meta >> 8},${meta & 255})`);
    case BINLOG_TYPE.bit:
      return plain(`bit(${column.bitCount})`);
    case BINLOG_TYPE.datetime2:
      return plain(`datetime(${meta})`);
    case BINLOG_TYPE.timestamp2:
      return plain(`timestamp(${meta})`);
    case BINLOG_TYPE.time2:
      return plain(`time(${meta})`);
    case BINLOG_TYPE.enum:
    case BINLOG_TYPE.set: {
      const name = type === BINLOG_TYPE.enum ? "enum" : "set";
      const charset = charsets.ofCollation(column.collation);
      return { ...plain(name), kind: "enum", labels: labelsOf(column, charset, charsets) };
    }
    default:
      return textOfMap(plain, column, known, charsets);
  }
}

function textOfMap(
  plain: (name: string) => WireType,
  column: MapColumn,
  known: CatalogColumn | null,
  charsets: Charsets,
): WireType {
  const { type, meta, collation } = column;
  const isBytes = collation === BINARY || collation === null;
  if (type === BINLOG_TYPE.string) {
    if (isBytes && known !== null && NAMED_BYTES.has(known.dataType)) return plain(known.dataType);
    return isBytes ? plain(`binary(${meta})`) : charsets.word(plain("char"), collation);
  }
  const isBlob = type === BINLOG_TYPE.blob || type === BINLOG_TYPE.blobCompressed;
  if (isBytes) return plain(isBlob ? "blob" : "varbinary");
  return charsets.word(plain(isBlob ? "text" : "varchar"), collation);
}

function labelsOf(
  { labels }: MapColumn,
  charset: string | null,
  charsets: Charsets,
): readonly string[] {
  const name = charset ?? "utf8mb4";
  const read = textOfBytes(name, charsets.alphabet(name));
  return labels.map((label) => read?.(label) ?? Buffer.from(label).toString("latin1"));
}

/** The type of a column as the catalog has it: what rows that are there already are read by. */
export function wireOfCatalog(column: CatalogColumn, charsets: Charsets): WireType {
  const { dataType, columnType, charset } = column;
  const plain = (name: string): WireType => ({ oid: 0, typmod: 0, name, kind: "base" });
  const isUnsigned = /\bunsigned\b/.test(columnType);
  switch (dataType) {
    case "tinyint":
    case "smallint":
    case "mediumint":
    case "int":
    case "bigint":
    case "float":
    case "double":
      return plain(isUnsigned ? `${dataType} unsigned` : dataType);
    case "decimal":
    case "bit":
    case "binary":
      return plain(columnType.replace(/^(\w+\([\d,]+\)).*$/s, "$1"));
    case "datetime":
    case "timestamp":
    case "time":
      return plain(`${dataType}(${column.decimals ?? 0})`);
    case "enum":
    case "set":
      // The text is written by the server: nothing has to be looked up.
      return { ...charsets.wordOf(plain(dataType), charset), kind: "enum", labels: [] };
    case "char":
    case "varchar":
      return charsets.wordOf(plain(dataType), charset);
    case "tinytext":
    case "text":
    case "mediumtext":
    case "longtext":
      return charsets.wordOf(plain("text"), charset);
    case "varbinary":
      return plain("varbinary");
    case "tinyblob":
    case "blob":
    case "mediumblob":
    case "longblob":
      return plain("blob");
    case "date":
    case "year":
    case "uuid":
    case "inet4":
    case "inet6":
    case "json":
      return plain(dataType);
    default:
      return plain(/vector/.test(dataType) ? "vector" : "geometry");
  }
}

/** What a column lands as, in the words of core/config/type-text.ts. */
export function landsAs({ name }: WireType): string {
  const [word = ""] = name.split(/[ (]/, 1);
  const isUnsigned = name.endsWith(" unsigned");
  switch (word) {
    case "tinyint":
    case "smallint":
    case "mediumint":
    case "year":
      return "integer";
    case "int":
      return isUnsigned ? "bigint" : "integer";
    case "bigint":
      return isUnsigned ? "decimal(20,0)" : "bigint";
    case "float":
    case "double":
    case "date":
    case "time":
    case "uuid":
      return word;
    case "decimal": {
      const [, precision = "0"] = /\((\d+)/.exec(name) ?? [];
      return Number(precision) > DIGITS_MAX ? "varchar" : name;
    }
    case "datetime":
      return "timestamp";
    case "timestamp":
      return "timestamptz";
    case "bit":
      return name === "bit(1)" ? "boolean" : "varchar";
    case "binary":
    case "varbinary":
    case "blob":
    case "geometry":
    case "vector":
      return "blob";
    default:
      return "varchar";
  }
}

/** Rows set aside: collected on disk as they are found, written as one Parquet file at the end. */

import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { DecodeRequest, LandsAs, RejectExample, Written } from "../../core/engine.ts";
import { type QuarantineReason, rowKey } from "../../core/ingest/quarantine.ts";
import { RAW_TEXT_CHARS_MAX, REJECTS_PER_FILE_MAX } from "../../core/limits.ts";
import { UNPARTITIONED } from "../../core/table/partition.ts";
import type { Type } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFilePath, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { writeRows } from "../write/partition.ts";
import type { Prepared } from "./prepared.ts";
import { Unreadable } from "./unreadable.ts";

export interface Place {
  /** 1-based line of the drop, or null where only the row is known. */
  readonly line: number | null;
  /** 1-based row of the drop; used when there is no line. */
  readonly row: number;
}

export interface Reject extends Place {
  readonly column: string | null;
  readonly reason: QuarantineReason;
  readonly message: string;
  readonly raw: string;
}

const EXAMPLES_MAX = 10;
const EXAMPLE_CHARS_MAX = 500;
const MESSAGE_CHARS_MAX = 1_000;
const FLUSH_CHARS = 1 << 18;
const DAY_MS = 86_400_000;

/** `line 88`, or `row 12` where the line is not known. */
export function positionOf({ line, row }: Place): string {
  return line === null ? `row ${row}` : `line ${line}`;
}

/** `rowId` of the core, natively: there may be a million. */
function rejectId(batch: string, file: string, position: string): string {
  return new Bun.CryptoHasher("sha256").update(rowKey(batch, file, position)).digest("hex");
}

/** Bytes as text, those that are not UTF-8 as `\xNN`. */
export function escapedText(bytes: Uint8Array): string {
  const fatal = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return fatal.decode(bytes);
  } catch {
    return bytePieces(bytes, fatal);
  }
}

export class Rejects {
  readonly examples: RejectExample[] = [];
  #request: DecodeRequest;
  #path: string;
  #file: number;
  #pending = "";
  #bytes = 0;
  #count = 0;
  #ofFile = 0;
  readonly #linesByFile = new Map<string, number[]>();
  /** Files with rows that do not parse. */
  readonly #unparsed = new Set<string>();
  /** Files with rows that can be taken back. */
  readonly #sinceMark = new Set<string>();
  #told: { readonly file: string; readonly position: string }[] = [];
  /** Of files of other batches than that of the request. */
  readonly #days = new Set<number>();
  #mark = { bytes: 0, count: 0, examples: 0, told: 0 };

  constructor(request: DecodeRequest) {
    this.#request = request;
    this.#path = join(request.staging, "work-rejects.ndjson");
    this.#file = openSync(this.#path, "w");
  }

  /** Everything after this can be taken back with `rollback`. */
  begin(): void {
    this.#flush();
    const [examples, told] = [this.examples.length, this.#told.length];
    this.#mark = { bytes: this.#bytes, count: this.#count, examples, told };
    this.#sinceMark.clear();
    this.#ofFile = 0;
  }

  /** What follows is of another file, and can be taken back together with what was before. */
  nextFile(): void {
    this.#ofFile = 0;
  }

  rollback(): void {
    this.#flush();
    ftruncateSync(this.#file, this.#mark.bytes);
    this.#bytes = this.#mark.bytes;
    this.#count = this.#mark.count;
    this.examples.length = this.#mark.examples;
    for (const name of this.#sinceMark) {
      this.#linesByFile.delete(name);
      this.#unparsed.delete(name);
    }
    this.#sinceMark.clear();
    this.#told.length = this.#mark.told;
    this.#ofFile = 0;
  }

  /** Throws Unreadable when the file has too many bad rows to be a file with bad rows. */
  add(prepared: Prepared, reject: Reject): void {
    const position = positionOf(reject);
    const { name, sha256 } = prepared.file;
    this.#ofFile++;
    if (this.#ofFile > REJECTS_PER_FILE_MAX) {
      throw new Unreadable("limit", `more than ${REJECTS_PER_FILE_MAX} bad rows`);
    }
    if (reject.line !== null) this.#addLine(name, reject.line);
    if (reject.reason === "parse") this.#unparsed.add(name);
    const { redacted } = this.#request;
    const { landsAs } = prepared.file;
    if (landsAs !== undefined) this.#days.add(dayOf(landsAs.ingestedAtMs));
    const raw = redacted ? null : cut(reject.raw, RAW_TEXT_CHARS_MAX);
    const message = redacted ? withoutValue(reject.message) : reject.message;
    const row = {
      id: rejectId(landsAs?.batch ?? this.#request.batch, name, position),
      file: name,
      position,
      line: reject.line,
      column_name: reject.column,
      reason: reject.reason,
      message: cut(message, MESSAGE_CHARS_MAX),
      raw,
      file_sha256: sha256,
      ...(landsAs === undefined ? {} : ofBatch(landsAs)),
    };
    this.#pending += `${JSON.stringify(row)}\n`;
    if (this.#request.tellRejects === true) this.#told.push({ file: name, position });
    this.#count++;
    if (this.#pending.length > FLUSH_CHARS) this.#flush();
    if (this.examples.length < EXAMPLES_MAX) {
      const { column, reason } = reject;
      const shown = cut(raw ?? "", EXAMPLE_CHARS_MAX);
      this.examples.push({ file: name, position, reason, column, raw: shown });
    }
  }

  /** Lines of a file that were set aside. */
  linesOf(name: string): readonly number[] {
    return this.#linesByFile.get(name) ?? [];
  }

  /** One of the rows of a file that were set aside does not parse. */
  isUnparsed(name: string): boolean {
    return this.#unparsed.has(name);
  }

  /** Where the rows of each file stand, where that is to be told. */
  positionsByFile(): ReadonlyMap<string, readonly string[]> {
    const byFile = Map.groupBy(this.#told, ({ file }) => file);
    return new Map([...byFile].map(([file, told]) => [file, told.map((one) => one.position)]));
  }

  /** Writes the Parquet files and closes; null when there was nothing. */
  async write(db: DuckDB): Promise<Written | null> {
    this.#flush();
    this.close();
    if (this.#count === 0) return null;
    const day = dayOf(this.#request.ingestedAtMs);
    if (this.#days.size === 0) return this.#writeDay(db, day, null);
    const parts: Written[] = [];
    for (const each of new Set([day, ...this.#days]))
      parts.push(await this.#writeDay(db, each, day));
    return {
      rows: parts.reduce((sum, { rows }) => sum + rows, 0n),
      files: parts.flatMap(({ files }) => files),
    };
  }

  /** The quarantine tables are partitioned by day(_ingested_at). `other` is the day of rows that name none. */
  async #writeDay(db: DuckDB, day: number, other: number | null): Promise<Written> {
    const { batch, source, ingestedAtMs, rejectSchema, staging } = this.#request;
    const constants: Readonly<Record<string, string>> = { source: quoteLiteral(source) };
    const usual: Readonly<Record<string, string>> = {
      _batch: quoteLiteral(batch),
      _ingested_at: quoteLiteral({ kind: "timestamptz", micros: BigInt(ingestedAtMs) * 1000n }),
    };
    const columns = rejectSchema.fields.map(({ name, type }) => {
      const found = typed(constants[name] ?? textOf(name), type);
      const or = usual[name];
      const value = or === undefined ? found : `coalesce(${found}, ${typed(or, type)})`;
      return `${value} AS ${quoteIdentifier(name)}`;
    });
    const rows = `read_ndjson_objects(${quoteFilePath(this.#path)}, maximum_object_size = 67108864)`;
    const where =
      other === null ? "" : ` WHERE coalesce(${textOf("day")}::BIGINT, ${other}) = ${day}`;
    const written = await writeRows(db, `SELECT ${columns.join(", ")} FROM ${rows}${where}`, {
      schema: rejectSchema,
      spec: UNPARTITIONED,
      folder: staging,
      name: other === null ? "rejects" : `rejects-${day}`,
    });
    const partition = [day];
    return { rows: written.rows, files: written.files.map((file) => ({ ...file, partition })) };
  }

  close(): void {
    if (this.#file < 0) return;
    closeSync(this.#file);
    this.#file = -1;
  }

  #addLine(name: string, line: number): void {
    this.#sinceMark.add(name);
    const lines = this.#linesByFile.get(name);
    if (lines === undefined) this.#linesByFile.set(name, [line]);
    else lines.push(line);
  }

  #flush(): void {
    if (this.#pending === "") return;
    const bytes = Buffer.from(this.#pending, "utf8");
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(this.#file, bytes, at, bytes.length - at, this.#bytes + at);
    }
    this.#bytes += bytes.length;
    this.#pending = "";
  }
}

function ofBatch({ batch, ingestedAtMs }: LandsAs) {
  const _ingested_at = new Date(ingestedAtMs).toISOString();
  return { _batch: batch, _ingested_at, day: String(dayOf(ingestedAtMs)) };
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** A key of the row, as text. */
function textOf(key: string): string {
  return `json_extract_string(json, ${quoteLiteral(`$.${quotedKey(key)}`)})`;
}

function typed(value: string, type: Type): string {
  return `CAST(${value} AS ${duckDBType(type)})`;
}

function quotedKey(name: string): string {
  return JSON.stringify(name);
}

/** Values stand in quotes at the front of messages, as `valueMessage` makes them. */
function withoutValue(message: string): string {
  return message.replace(/^".*" (?=is not |does not )/s, "the value ");
}

function cut(text: string, charsMax: number): string {
  return (text.length > charsMax ? text.slice(0, charsMax) : text).toWellFormed();
}

function bytePieces(bytes: Uint8Array, fatal: TextDecoder): string {
  const parts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at] ?? 0);
    const piece = bytes.subarray(at, at + length);
    try {
      parts.push(fatal.decode(piece));
      at += length;
    } catch {
      parts.push(`\\x${(bytes[at] ?? 0).toString(16).toUpperCase().padStart(2, "0")}`);
      at += 1;
    }
  }
  return parts.join("");
}

function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

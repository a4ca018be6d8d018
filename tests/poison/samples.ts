/** Good files of every format, small enough that a flipped byte often hits what holds them together. */

import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { avroFile, avroRecord } from "../support/avro-file.ts";
import { xlsxFile, zipFile } from "../support/xlsx-file.ts";

export interface Sample {
  /** Names its source. */
  readonly name: string;
  /** Of the file, with its dot. */
  readonly ending: string;
  readonly bytes: Uint8Array;
  readonly rows: number;
}

const ROWS = 24;
const WORDS = ["oslo", "rome", "lima", "cairo"];
const QUERY = `SELECT i AS id, ['oslo', 'rome', 'lima', 'cairo'][1 + i % 4] AS city,
  (i * 1.25)::DECIMAL(9, 2) AS amount, i % 3 = 0 AS paid, DATE '2026-01-01' + i::INTEGER AS day,
  CASE WHEN i % 5 = 0 THEN NULL ELSE i * 0.5 END AS share, [i, i + 1] AS parts, {'a': i} AS inner_one
  FROM range(${ROWS}) t(i)`;

const PARQUET_OPTIONS: Readonly<Record<string, string>> = {
  plain: "COMPRESSION uncompressed",
  snappy: "COMPRESSION snappy",
  zstd: "COMPRESSION zstd",
  gzip: "COMPRESSION gzip",
  lz4: "COMPRESSION lz4_raw",
  brotli: "COMPRESSION brotli",
  v2: "COMPRESSION snappy, PARQUET_VERSION v2",
  v2plain: "COMPRESSION uncompressed, PARQUET_VERSION v2",
  nodict: "COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 1",
  groups: "COMPRESSION zstd, ROW_GROUP_SIZE 8",
};

/** `folder` takes the files that the engine writes. */
export async function samples(folder: string): Promise<Sample[]> {
  const text = csv();
  const lines = jsonLines();
  const made: Sample[] = [
    sample("csv", ".csv", text),
    sample("tsv", ".tsv", text.replaceAll(",", "\t")),
    sample("utf16", ".csv", Buffer.from(`\ufeff${text}`, "utf16le")),
    sample("ndjson", ".jsonl", `${lines.join("\n")}\n`),
    sample("json", ".json", `[${lines.join(",\n")}]`),
    sample("csvgz", ".csv.gz", gzipSync(text)),
    sample("csvzst", ".csv.zst", zstdCompressSync(Buffer.from(text))),
    sample("csvzip", ".zip", zipFile([["a.csv", text]])),
    sample("jsongz", ".jsonl.gz", gzipSync(lines.join("\n"))),
    sample("xlsx", ".xlsx", xlsxFile({ sheets: { One: sheet() }, texts: WORDS })),
    ...["null", "deflate", "zstandard"].map((codec) =>
      sample(`avro${codec}`, ".avro", avroFile(avroSchema(), avroRows(), { codec, blockRows: 8 })),
    ),
  ];
  await using db = await open();
  for (const [name, options] of Object.entries(PARQUET_OPTIONS)) {
    const path = join(folder, `${name}.parquet`);
    await db.run(`COPY (${QUERY}) TO ${quoteLiteral(path)} (FORMAT parquet, ${options})`);
    made.push(sample(`pq${name}`, ".parquet", await Bun.file(path).bytes()));
  }
  return made;
}

function sample(name: string, ending: string, content: string | Uint8Array): Sample {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { name, ending, bytes: Uint8Array.from(bytes), rows: ROWS };
}

function csv(): string {
  const rows = Array.from(
    { length: ROWS },
    (_, i) => `${i},${WORDS[i % 4]},"a ""b"" ${i}",${i / 4}`,
  );
  return `${["id,city,note,share", ...rows].join("\n")}\n`;
}

function jsonLines(): string[] {
  return Array.from({ length: ROWS }, (_, i) =>
    JSON.stringify({
      id: i,
      city: WORDS[i % 4],
      parts: [i, i / 2],
      inner: { a: `x${i}`, b: null },
    }),
  );
}

function sheet(): string {
  const cell = (at: string, value: number): string => `<c r="${at}"><v>${value}</v></c>`;
  const name = (at: string, text: string): string =>
    `<c r="${at}" t="inlineStr"><is><t>${text}</t></is></c>`;
  const head = `<row r="1">${name("A1", "id")}${name("B1", "city")}</row>`;
  const rows = Array.from({ length: ROWS }, (_, i) => {
    const text = `<c r="B${i + 2}" t="s"><v>${i % 4}</v></c>`;
    return `<row r="${i + 2}">${cell(`A${i + 2}`, i)}${text}</row>`;
  });
  return [head, ...rows].join("");
}

function avroSchema() {
  return avroRecord({ id: "long", city: "string", share: ["null", "double"] });
}

function avroRows() {
  return Array.from({ length: ROWS }, (_, i) => ({
    id: BigInt(i),
    city: WORDS[i % 4],
    share: i % 5 === 0 ? null : { double: i / 2 },
  }));
}

function open(): Promise<DuckDB> {
  return openDuckDB({
    threads: 1,
    memoryBytes: 1e9,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
}

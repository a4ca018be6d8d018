/** Poison: files that break, stall or flood a reader, made here and never kept in the repository. */

import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";

export interface Poison {
  /** Relative to the project. */
  readonly file: string;
  readonly what: string;
}

/** A small generator with a seed: the same files on every machine. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Writes all of them below `drops/`, each kind as a source of its own, and answers the list. */
export async function writePoison(project: string, mutants: number): Promise<Poison[]> {
  const list: Poison[] = [];
  const put = (source: string, name: string, what: string, bytes: string | Uint8Array): void => {
    const folder = join(project, "drops", source);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), bytes);
    list.push({ file: `drops/${source}/${name}`, what });
  };
  await parquetPoison(project, put, mutants);
  csvPoison(put);
  jsonPoison(put);
  archivePoison(put);
  specialFiles(project, list);
  return list;
}

type Put = (source: string, name: string, what: string, bytes: string | Uint8Array) => void;

async function parquetPoison(project: string, put: Put, mutants: number): Promise<void> {
  const good = await parquet(
    project,
    "SELECT i AS id, 'row ' || i AS name, i * 1.5 AS amount, [i, i + 1] AS l, {'a': i} AS s FROM range(2000) t(i)",
  );
  put("pq", "good.parquet", "good", good);
  put("pq", "cut.parquet", "cut in the middle", good.subarray(0, good.length >> 1));
  put("pq", "no-footer.parquet", "no footer", good.subarray(0, good.length - 8));
  put("pq", "empty.parquet", "zero bytes", new Uint8Array(0));
  put("pq", "huge-footer.parquet", "a footer length beyond the file", hugeFooter(good));
  const random = generator(20261120);
  for (let count = 0; count < mutants; count++) {
    const bytes = Uint8Array.from(good);
    const flips = 1 + Math.floor(random() * 8);
    for (let flip = 0; flip < flips; flip++) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    }
    put("pqm", `mutant-${String(count).padStart(4, "0")}.parquet`, "flipped bytes", bytes);
  }
  const bomb = await parquet(
    project,
    "SELECT repeat('x', 1000) AS s, 1 AS a FROM range(20000000)",
    "COMPRESSION zstd, DICTIONARY_SIZE_LIMIT 100000",
  );
  put("pqbomb", "bomb.parquet", `${bomb.length} bytes that hold 20 GB`, bomb);
}

function hugeFooter(good: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(good);
  new DataView(bytes.buffer).setUint32(bytes.length - 8, 0x7fffffff, true);
  return bytes;
}

function csvPoison(put: Put): void {
  put("csv", "good.csv", "good", "id,name\n1,a\n2,b\n");
  put(
    "csv",
    "open-quote.csv",
    "a quote that never closes",
    `id,name\n1,"a\n${"x\n".repeat(10_000)}`,
  );
  put("csv", "long-line.csv", "one line of 40 MB", `id,name\n1,${"x".repeat(40_000_000)}\n`);
  put("csv", "nul.csv", "NUL bytes", "id,name\n1,a\0b\n2,\0\n");
  put("csv", "binary.csv", "random bytes", randomBytes(200_000));
  put("csv", "wide.csv", "20,000 columns", `${row(20_000, "c")}\n${row(20_000, "1")}\n`);
  put("csv", "commas.csv", "only commas", ",".repeat(1_000_000));
}

function jsonPoison(put: Put): void {
  put("json", "good.json", "good", '{"id":1}\n{"id":2}\n');
  put("json", "deep.json", "300,000 open brackets", "[".repeat(300_000));
  put(
    "json",
    "deep-objects.json",
    "nested 5,000 deep",
    `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`,
  );
  put("json", "garbage.json", "random bytes", randomBytes(200_000));
  put("json", "long-string.json", "a string of 40 MB", `{"id":"${"x".repeat(40_000_000)}"}\n`);
  put("json", "many-keys.json", "100,000 keys in one object", manyKeys(100_000));
  put(
    "json",
    "big-number.json",
    "a number of a million digits",
    `{"id":${"9".repeat(1_000_000)}}\n`,
  );
  put(
    "json",
    "proto.json",
    "__proto__ and constructor",
    '{"__proto__":{"x":1},"constructor":1,"id":3}\n',
  );
}

function archivePoison(put: Put): void {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  const layer = gzipSync(zeros, { level: 9 });
  put("gz", "zeros.csv.gz", "64 MB of zeros in 64 KB", layer);
  put("gz", "twice.csv.gz", "gzip in gzip", gzipSync(layer));
  put("gz", "cut.csv.gz", "cut gzip", gzipSync("id,name\n1,a\n".repeat(10_000)).subarray(0, 200));
  put("gz", "bad-zip.zip", "a zip that is none", "PK\u0003\u0004 nothing of a zip");
  put("gz", "good.csv.gz", "good", gzipSync("id,name\n1,a\n"));
}

/** What a listing must refuse without opening it. */
function specialFiles(project: string, list: Poison[]): void {
  const folder = join(project, "drops", "special");
  mkdirSync(folder, { recursive: true });
  execFileSync("mkfifo", [join(folder, "pipe.csv")]);
  symlinkSync("/etc/passwd", join(folder, "link.csv"));
  writeFileSync(join(folder, "star*?[x].csv"), "id\n1\n");
  writeFileSync(join(folder, "good.csv"), "id\n2\n");
  list.push({ file: "drops/special/pipe.csv", what: "a pipe" });
  list.push({ file: "drops/special/link.csv", what: "a link to /etc/passwd" });
  list.push({ file: "drops/special/star*?[x].csv", what: "a name of wildcards" });
  list.push({ file: "drops/special/good.csv", what: "good" });
}

async function parquet(
  project: string,
  query: string,
  options = "COMPRESSION snappy",
): Promise<Uint8Array> {
  const path = join(project, "poison.parquet");
  await using db = await openDuckDB({
    threads: 2,
    memoryBytes: 2e9,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
  await db.run(`COPY (${query}) TO ${quoteLiteral(path)} (FORMAT parquet, ${options})`);
  return new Uint8Array(await Bun.file(path).arrayBuffer());
}

function randomBytes(count: number): Uint8Array {
  const random = generator(7);
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

function row(count: number, text: string): string {
  return Array.from({ length: count }, (_, index) => (text === "c" ? `c${index}` : text)).join(",");
}

function manyKeys(count: number): string {
  return `{${Array.from({ length: count }, (_, index) => `"k${index}":${index}`).join(",")}}\n`;
}

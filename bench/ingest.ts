/**
 * One big file to a committed, queryable table, against bare COPYs and other products.
 * Usage: ingest.ts [MEGABYTES…] [FORMAT…] (200, every format). TARN_BENCH_ROUNDS (5), TARN_BENCH_PEERS=0 leaves the
 * other products out; TARN_BENCH_ONLY takes the contenders whose names hold one of its words (`declared,same`).
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { pythonWith } from "../tests/conformance/peers.ts";
import { envNumber } from "../tests/crash/seeded.ts";
import { VARIANTS } from "./copy.ts";
import { benchFolder, FORMATS, type Input, input } from "./data.ts";
import { type Contender, heading, interleave, type Measured, resultTable } from "./measure.ts";
import { askSql, dropInput, makeProject, programPath } from "./project.ts";

/** DuckDB and its extension come in exact pairs. */
const PEER_PACKAGES = [
  "duckdb==1.5.5",
  "duckdb-extension-ducklake==1.5.5",
  "chdb==4.0.2",
  "pyiceberg[pyarrow,sql-sqlite]==0.12.0",
];
const PEERS = ["ducklake", "chdb", "pyiceberg"] as const;
const BASELINE = "COPY, same options";

const words = process.argv.slice(2);
const formats = FORMATS.filter((format) => words.includes(format));
const sizes = words.filter((word) => /^\d+$/.test(word)).map(Number);
const only = (process.env.TARN_BENCH_ONLY ?? "").split(",");
const rounds = envNumber("TARN_BENCH_ROUNDS", 5);
const python =
  envNumber("TARN_BENCH_PEERS", 1) === 1 ? await pythonWith("bench", PEER_PACKAGES) : null;
for (const megabytes of sizes.length > 0 ? sizes : [200]) {
  for (const format of formats.length > 0 ? formats : FORMATS) {
    const file = await input(format, megabytes);
    heading(`Ingest ${format}, ${(file.sizeBytes / 1e6).toFixed(0)} MB, ${file.rows} rows`);
    const chosen = contenders(file).filter((one) => only.some((word) => one.name.includes(word)));
    const results = await interleave(chosen, rounds);
    console.log(resultTable(results, BASELINE, file.sizeBytes));
  }
}

function contenders(file: Input): Contender[] {
  return [
    ours(file, true),
    ours(file, false),
    ...VARIANTS.map((variant) => copyContender(file, variant)),
    ...(python === null ? [] : PEERS.map((peer) => peerContender(file, peer, python.python))),
  ];
}

function ours(file: Input, declared: boolean): Contender {
  const project = join(benchFolder("ingest"), declared ? "declared" : "learned");
  return {
    name: declared ? "tarn, declared types" : "tarn, learned types",
    cwd: project,
    prepare() {
      makeProject(project, { declared });
      dropInput(project, file);
    },
    command: () => [programPath(), "build"],
    async check() {
      const sql =
        "select count(*)::double as n, sum(id)::double as ids, sum(amount)::double as amount from bronze.events";
      const [row] = await askSql(project, sql);
      expectRows(file, `${row?.n} ${row?.ids}`);
      rmSync(project, { recursive: true, force: true });
    },
  };
}

function copyContender(file: Input, variant: (typeof VARIANTS)[number]): Contender {
  const output = join(benchFolder("ingest"), `${variant}.parquet`);
  const script = join(import.meta.dirname, "copy.ts");
  const names = {
    same: BASELINE,
    fastest: "COPY, fastest known",
    default: "COPY, DuckDB's default",
  };
  return {
    name: names[variant],
    prepare: () => rmSync(output, { force: true }),
    command: () => [process.execPath, script, variant, file.format, file.path, output],
  };
}

function peerContender(file: Input, peer: (typeof PEERS)[number], interpreter: string): Contender {
  const output = join(benchFolder("ingest"), peer);
  const script = join(import.meta.dirname, "peers.py");
  return {
    name: peer,
    prepare: () => rmSync(output, { recursive: true, force: true }),
    command: () => [interpreter, script, peer, file.format, file.path, output],
    check: (measured: Measured) => expectRows(file, measured.stdout.trim()),
  };
}

/** `count sum(id)` must be those of ids 0 … rows - 1. */
function expectRows(file: Input, found: string) {
  const wanted = `${file.rows} ${(file.rows * (file.rows - 1)) / 2}`;
  if (found !== wanted) throw new Error(`read back ${found}, not ${wanted}`);
}

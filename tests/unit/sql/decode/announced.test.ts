/** The file that a worker names is the one that it reads: what a statement does to the worker is that file's doing. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { decode, inspect } from "../../../../sql/decode/decode.ts";
import { type DuckDB, openDuckDB } from "../../../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../../../sql/syntax/quote.ts";
import type { WorkerContext } from "../../../../sql/worker/context.ts";
import { Harness, LIMITS, READ, T } from "./harness.ts";

setDefaultTimeout(120_000);

/** Statements in their order, each with the file that was named last before it. */
class Said {
  readonly statements: { readonly sql: string; readonly name: string | undefined }[] = [];
  #name: string | undefined;

  context(own: WorkerContext): WorkerContext {
    return {
      ...own,
      announce: (name) => {
        this.#name = name;
      },
      open: async (options) => this.#told(await own.open(options)),
    };
  }

  #told(db: DuckDB): DuckDB {
    for (const method of ["run", "rows", "stream"] as const) {
      const own = db[method].bind(db);
      const told = (sql: string, params?: never): unknown => {
        this.statements.push({ sql, name: this.#name });
        return own(sql, params);
      };
      Object.defineProperty(db, method, { value: told });
    }
    return db;
  }
}

async function parquet(h: Harness, name: string, query: string): Promise<Uint8Array> {
  await using db = await openDuckDB({
    threads: 1,
    memoryBytes: 1e9,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
  const path = `${h.folder.path}/${name}.parquet`;
  await db.run(`COPY (${query}) TO ${quoteLiteral(path)} (FORMAT parquet)`);
  return Bun.file(path).bytes();
}

/** Files of one shape, the middle one with a value that does not fit. */
async function drops(h: Harness): Promise<Readonly<Record<string, readonly Uint8Array[]>>> {
  const ids = ["1", "x", "3"];
  return {
    csv: ids.map((id) => Buffer.from(`id,city\n${id},oslo\n`)),
    jsonl: ids.map((id) => Buffer.from(`{"id":"${id}","city":"rome"}\n`)),
    parquet: await Promise.all(
      ids.map((id) => parquet(h, `made-${id}`, `SELECT '${id}' AS id, 'lima' AS city`)),
    ),
  };
}

test("a statement over one file runs while that file is named", async () => {
  await using h = await Harness.open();
  for (const [format, contents] of Object.entries(await drops(h))) {
    for (const onMisfit of ["quarantine", "report"] as const) {
      const files = contents.map((bytes, at) => h.file(`${at}.${format}`, bytes));
      const said = new Said();
      const context = said.context(h.context());
      await inspect(context, { files, read: READ, sampled: false, limits: LIMITS });
      await decode(context, h.request(files, { id: T.long, city: T.string }, { onMisfit }));
      const wrong = said.statements.filter(({ sql, name }) => {
        const over = files.filter((file) => sql.includes(file.path));
        return over.length === 1 && over[0]?.name !== name;
      });
      expect([format, onMisfit, wrong]).toEqual([format, onMisfit, []]);
    }
  }
});

test("small JSON files with bad rows ask for no statement each", async () => {
  const statements = async (count: number): Promise<number> => {
    await using h = await Harness.open();
    const bad = Buffer.from('{"id":"x","city":"rome"}\n{"id":2,"city":"bari"}\n');
    const files = Array.from({ length: count }, (_, at) => h.file(`${at}.jsonl`, bad));
    const said = new Said();
    const types = { id: T.long, city: T.string };
    const decoded = await decode(said.context(h.context()), h.request(files, types));
    expect(
      decoded.files.map(({ rowsLanded, rowsQuarantined }) => [rowsLanded, rowsQuarantined]),
    ).toEqual(files.map(() => [1, 1]));
    return said.statements.length;
  };
  expect(await statements(9)).toBe(await statements(2));
});

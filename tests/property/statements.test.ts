/** Any statements, alone and in transactions, leave a table of the lake with the rows that DuckDB's own table has. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { lakeLookup } from "../../cmd/lake/table-lookup.ts";
import { openSession, type Session } from "../../cmd/open.ts";
import { LakeChanges, runHere } from "../../cmd/shell/writer.ts";
import type { Json } from "../../core/base/json.ts";
import type { DuckDB } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { openTestDuckDB } from "../support/test-lake.ts";

/** `t` stands for the table, in the lake and beside it. */
const id = fc.integer({ min: 0, max: 9 });
const value = fc.constantFrom("null", "1", "2.50", "-3", "7.25");
const word = fc.constantFrom("null", "'a'", "'b'", "''", "'ü'");
const condition = fc.oneof(
  id.map((n) => `t.id = ${n}`),
  id.map((n) => `t.id >= ${n}`),
  value.map((v) => `t.n is not distinct from ${v}`),
  word.map((w) => `t.s is distinct from ${w}`),
  id.map((n) => `t.id in (select i from range(${n}) r(i))`),
);
const row = fc.tuple(id, value, word).map(([i, n, s]) => `(${i}, ${n}, ${s})`);
const rows = fc.array(row, { minLength: 1, maxLength: 6 }).map((all) => all.join(", "));
/** Each id once: what several say of one row is an error here, and any of it in DuckDB. */
const keyed = fc
  .uniqueArray(fc.tuple(id, value, word), { minLength: 1, maxLength: 5, selector: ([i]) => i })
  .map((all) => all.map(([i, n, s]) => `(${i}, ${n}, ${s})`).join(", "));
const source = keyed.map((all) => `(values ${all}) as s(id, n, s)`);
const matched = fc.constantFrom(
  "",
  "when matched then delete",
  "when matched and s.n > 1 then update set n = s.n, s = t.s || 'x'",
  "when matched and s.n is null then delete when matched then update set *",
  "when matched then do nothing",
);
const unmatched = fc.constantFrom(
  "when not matched then insert *",
  "when not matched and s.id > 4 then insert (s, id) values (s.s, s.id)",
  "when not matched by source and t.id > 6 then delete when not matched then insert by name",
  "when not matched by source then update set n = 0",
);
const statement = fc.oneof(
  rows.map((all) => `insert into t values ${all}`),
  fc.tuple(id, word).map(([n, w]) => `insert into t (s, id) select ${w}, i from range(${n}) r(i)`),
  condition.map((c) => `insert into t select id, n, s from t where ${c} and id < 3`),
  condition.map((c) => `delete from t where ${c}`),
  source.map((s) => `delete from t using ${s} where t.id = s.id`),
  fc.tuple(condition, value).map(([c, v]) => `update t set n = ${v}, s = s || 'u' where ${c}`),
  fc.tuple(source).map(([s]) => `update t set n = s.n from ${s} where t.id = s.id`),
  fc
    .tuple(source, matched, unmatched)
    .map(([s, m, u]) => `merge into t using ${s} on t.id = s.id ${m} ${u}`),
  fc.constant("truncate t"),
);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("alone" as const), sql: statement }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("commit" as const, "rollback" as const),
      all: fc.array(statement, { minLength: 1, maxLength: 3 }),
    }),
  },
);
const mode = fc.constantFrom("", "copy-on-write", "merge-on-read");
const partition = fc.constantFrom("", " partitioned by (bucket(3, id))", " partitioned by (s)");

test("statements leave the rows that they leave in DuckDB, and count as many", async () => {
  await using folder = await tempFolder();
  writeFileSync(join(folder.path, "tarn.yaml"), "project: p\n");
  const flags = { folder: folder.path, args: { threads: "1" } };
  await using session = await openSession(flags, { engine: "test" });
  await using oracle = await openTestDuckDB();
  using writer = writerOn(session);
  const query = querying(session, writer);
  let count = 0;
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        mode,
        partition,
        async (steps, how, by) => {
          const name = `gold.t${++count}`;
          await run(query, `create table ${name} (id int, n decimal(6,2), s varchar)${by}`);
          if (how !== "") await run(query, `alter table ${name} set (${modes(how)})`);
          await oracle.run("CREATE OR REPLACE TABLE t (id int, n decimal(6,2), s varchar)");
          const both = { query, oracle, name };
          for (const one of steps) {
            if (one.kind === "alone") await same(both, one.sql);
            else await sameTogether(both, one.kind, one.all);
            expect(await lakeRows(query, name)).toEqual(await oracleRows(oracle));
          }
        },
      ),
      { numRuns: Number(process.env.TARN_STATEMENT_RUNS ?? 25) },
    );
  } finally {
    await query.close();
  }
}, 600_000);

interface Both {
  readonly query: QuerySession;
  readonly oracle: DuckDB;
  readonly name: string;
}

async function same({ query, oracle, name }: Both, sql: string): Promise<void> {
  const own = await run(query, inLake(sql, name));
  const theirs = await oracle.run(sql);
  expect({ sql, rows: own }).toEqual({ sql, rows: theirs });
}

async function sameTogether(
  both: Both,
  end: "commit" | "rollback",
  all: readonly string[],
): Promise<void> {
  await run(both.query, "begin");
  await both.oracle.run("BEGIN");
  for (const sql of all) {
    await same(both, sql);
    expect(await lakeRows(both.query, both.name)).toEqual(await oracleRows(both.oracle));
  }
  await run(both.query, end);
  await both.oracle.run(end.toUpperCase());
}

function inLake(sql: string, name: string): string {
  return sql
    .replace(/\b(into|from|update|truncate) t\b/g, `$1 ${name} `)
    .replace(new RegExp(`((?:merge into|update) ${name} )`), "$1as t ")
    .replace(new RegExp(`(from ${name} )(?= *(?:where|using))`), "$1as t ");
}

function modes(how: string): string {
  return ["delete", "update", "merge"].map((what) => `'write.${what}.mode' = '${how}'`).join(", ");
}

function writerOn(session: Session): LakeChanges {
  return new LakeChanges(
    async () => session,
    async (command, args) => {
      const found: Json[] = [];
      await runHere(session, command, args, found, new AbortController().signal);
      return found;
    },
  );
}

function querying(session: Session, writer: LakeChanges): QuerySession {
  return new QuerySession({
    open: openTestDuckDB,
    lookup: lakeLookup(session),
    timezone: "UTC",
    writablePath: (path) => path,
    writer,
  });
}

async function run(query: QuerySession, sql: string): Promise<number | null> {
  let rows: number | null = null;
  for await (const answer of query.run(sql)) rows = answer.rowsChanged;
  return rows;
}

async function lakeRows(query: QuerySession, name: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { result } of query.run(
    `select id::varchar || '|' || coalesce(n::varchar, '-') || '|' || coalesce(s, '-') as r from ${name} order by 1`,
  )) {
    if (result === null) continue;
    for await (const chunk of result.chunks()) found.push(...(chunk.columns[0] ?? []).map(String));
  }
  return found;
}

async function oracleRows(oracle: DuckDB): Promise<string[]> {
  const rows = await oracle.rows(
    "SELECT id::varchar || '|' || coalesce(n::varchar, '-') || '|' || coalesce(s, '-') AS r FROM t ORDER BY 1",
  );
  return rows.map(({ r }) => String(r));
}

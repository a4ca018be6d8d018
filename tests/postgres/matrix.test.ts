/**
 * D14: every type lands without a loss, whether it was there or came as a change, whatever database and role say of how
 * values are written.
 */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { Harness, READ } from "../unit/sql/decode/harness.ts";
import { literal, SETTINGS, SETUP, valuesFor } from "./every-type.ts";
import { StreamLake } from "./stream-lake.ts";

setDefaultTimeout(120_000);

const OF_DATABASE = [
  "DateStyle = 'German, DMY'",
  "IntervalStyle = 'sql_standard'",
  "bytea_output = 'escape'",
];
const OF_ROLE = [
  "TimeZone = 'Asia/Kolkata'",
  "IntervalStyle = 'iso_8601'",
  "DateStyle = 'SQL, MDY'",
  "extra_float_digits = -15",
  "xmlbinary = 'hex'",
];
const servers: PostgresServer[] = [];

afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

/** Rows of one column each, for all values of a type; a type's values as the server writes them. */
interface Matrix {
  readonly types: readonly string[];
  readonly read: readonly Row[];
  readonly streamed: readonly Row[];
  readonly texts: readonly (readonly (string | null)[])[];
}

async function matrixOf(
  server: PostgresServer,
  database: string,
  settings: readonly string[],
): Promise<Matrix> {
  const all = [...valuesFor(server.version)];
  const types = all.map(([type]) => type);
  const client = await server.client(database);
  for (const setting of SETTINGS) await client.query(`set ${setting}`);
  await client.query(SETUP);
  await client.query("create table marks (m bigint primary key)");
  const columns = types.map((type, index) => `c${index} ${type}`);
  await client.query(`create table every (id int primary key, ${columns.join(", ")})`);
  const longest = Math.max(...all.map(([, values]) => values.length));
  const insert = async (from: number): Promise<void> => {
    for (let row = 0; row < longest; row++) {
      const values = all.map(([type, of]) => literal(of[row] ?? null, type));
      await client.query(`insert into every values (${from + row}, ${values.join(", ")})`);
    }
  };
  await insert(0);
  for (const setting of settings) await client.query(setting);
  await using lake = await StreamLake.make(server, { database });
  await lake.open();
  await insert(1_000);
  await lake.untilNow();
  await using h = await Harness.open();
  const rows: Row[] = [];
  for (const { file } of lake.segments) {
    if (file !== null) rows.push(...(await landed(h, await readFile(file.path))));
  }
  // A row of NULLs is NULL to `is null`, and no value here is one: what has a size is there.
  const written = columns.map(
    (_, index) =>
      `case when pg_column_size(c${index}) is not null then format('%s', c${index}) end`,
  );
  const texts = await client.query({
    text: `select ${written.join(", ")} from every where id < 1000 order by id`,
    rowMode: "array",
  });
  return {
    types,
    read: rows.filter((row) => row._op === "r"),
    streamed: rows.filter((row) => row._op === "c"),
    texts: texts.rows,
  };
}

async function landed(h: Harness, bytes: Uint8Array): Promise<readonly Row[]> {
  const file = h.file("segment", bytes);
  const read = { ...READ, table: "public.every" };
  const [seen] = (await h.inspect([file], read)).files;
  const types = Object.fromEntries((seen?.columns ?? []).map(({ name, type }) => [name, type]));
  const { rows, rejects } = await h.decode([file], types, { read });
  expect(rejects).toEqual([]);
  return rows;
}

/** The columns of the table alone, without the key. */
function own(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => /^c\d+$/.test(name)));
}

/** A value that landed, in the words of the server. */
function asText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (Object.is(value, -0)) return "-0";
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  return String(value);
}

/** Floats have many spellings: what they are counts. */
function isSame(type: string, found: string | null, wanted: string | null): boolean {
  if (found === wanted) return true;
  if (found === null || wanted === null) return false;
  if (type === "float4") return Object.is(Math.fround(Number(found)), Math.fround(Number(wanted)));
  return type === "float8" && Object.is(Number(found), Number(wanted));
}

for (const version of postgresVersions()) {
  test(`PostgreSQL ${version}, D14: every type lands as the server has it, under any settings`, async () => {
    const server = await startPostgres(version);
    servers.push(server);
    const plain = await matrixOf(server, "plain", []);
    const bent = await matrixOf(server, "bent", [
      ...OF_DATABASE.map((setting) => `alter database bent set ${setting}`),
      ...OF_ROLE.map((setting) => `alter role postgres in database bent set ${setting}`),
    ]);
    const rows = plain.read.map(own);
    expect(rows.length).toBe(plain.texts.length);
    expect(plain.streamed.map(own)).toEqual(rows);
    expect(bent.read.map(own)).toEqual(rows);
    expect(bent.streamed.map(own)).toEqual(rows);
    const wrong = rows.flatMap((row, at) =>
      plain.types.flatMap((type, index) => {
        const found = asText(row[`c${index}`]);
        const wanted = plain.texts[at]?.[index] ?? null;
        return isSame(type, found, wanted) ? [] : [`${type}: ${found} where ${wanted} belongs`];
      }),
    );
    expect(wrong).toEqual([]);
  });
}

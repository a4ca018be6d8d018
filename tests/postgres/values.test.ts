/**
 * Values of every type as real servers send them: the binary form has the text of the other, and rows that are read and
 * rows that are streamed are the same rows.
 */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import type pg from "pg";
import { must } from "../../core/base/assert.ts";
import type { WireType } from "../../core/ingest/wire-type.ts";
import { binaryText } from "../../sql/decode/segment/postgres/binary-text.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { Harness, READ } from "../unit/sql/decode/harness.ts";
import { literal, SETTINGS, SETUP, valuesFor } from "./every-type.ts";
import { StreamLake } from "./stream-lake.ts";

setDefaultTimeout(120_000);

const servers = new Map<number, { server: PostgresServer; client: pg.Client }>();

afterAll(async () => {
  for (const { server } of servers.values()) await server[Symbol.asyncDispose]();
});

async function clientOf(version: number): Promise<pg.Client> {
  const known = servers.get(version);
  if (known !== undefined) return known.client;
  const server = await startPostgres(version);
  const client = await server.client("types");
  servers.set(version, { server, client });
  for (const setting of SETTINGS) await client.query(`set ${setting}`);
  await client.query(SETUP);
  return client;
}

for (const version of postgresVersions()) {
  test(`PostgreSQL ${version}: binary values have the texts that the server writes`, async () => {
    const client = await clientOf(version);
    const wrong: string[] = [];
    for (const [type, values] of valuesFor(version)) {
      const wire = await wireOf(client, type);
      const read = binaryText(wire);
      for (const [index, { text, bytes }] of (await sent(client, type, values)).entries()) {
        const found = read === null ? "not read" : read(bytes);
        const value = values[index];
        if (found !== text) wrong.push(`${type} ${value}: ${found} where ${text} belongs`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test(`PostgreSQL ${version}: any float, numeric, time or interval has the server's text`, async () => {
    const client = await clientOf(version);
    const micros = fc.bigInt({ min: -(2n ** 55n), max: 2n ** 57n });
    const arbitraries = {
      float8: fc
        .oneof(
          fc.double(),
          fc.integer().map((n) => n * 2 ** 30),
        )
        .map(String),
      float4: fc.oneof(fc.float(), fc.integer().map(Math.fround)).map(String),
      numeric: fc
        .tuple(fc.bigInt(), fc.integer({ min: 0, max: 40 }))
        .map(([digits, scale]) => `${digits}e-${scale}`),
      interval: fc
        .tuple(fc.integer(), fc.integer(), micros)
        .map(([months, days, at]) => `${months} mons ${days} days ${at} us`),
    };
    for (const [type, arbitrary] of Object.entries(arbitraries)) {
      const read = binaryText(await wireOf(client, type));
      await fc.assert(
        fc.asyncProperty(fc.array(arbitrary, { minLength: 1, maxLength: 50 }), async (values) => {
          const all = await sent(client, type, values);
          const found = all.map(({ bytes }) => read?.(bytes) ?? "not read");
          expect(found).toEqual(all.map(({ text }) => text));
        }),
        { numRuns: 50 },
      );
    }
  });
}

for (const version of postgresVersions()) {
  test(`PostgreSQL ${version}: a row that was there and one that came are the same`, async () => {
    const client = await clientOf(version);
    const values = valuesFor(version);
    const types = [...values.keys()];
    const columns = types.map((type, index) => `c${index} ${type}`);
    await client.query("create table marks (m bigint primary key)");
    await client.query(`create table every (id int primary key, ${columns.join(", ")})`);
    const longest = Math.max(...types.map((type) => values.get(type)?.length ?? 0));
    const insert = async (from: number) => {
      for (let row = 0; row < longest; row++) {
        const texts = types.map((type) => literal(values.get(type)?.[row] ?? null, type));
        await client.query(`insert into every values (${from + row}, ${texts.join(", ")})`);
      }
    };
    await insert(0);
    const { server } = must(servers.get(version), "the server was started");
    await using lake = await StreamLake.make(server, { database: "types" });
    await lake.open();
    await insert(1000);
    await lake.untilNow();
    await using h = await Harness.open();
    const rows: Row[] = [];
    for (const { file } of lake.segments) {
      if (file === null) continue;
      rows.push(...(await landed(h, await readFile(file.path))));
    }
    const read = rows.filter((row) => row._op === "r");
    const streamed = rows.filter((row) => row._op === "c");
    expect([read.length, streamed.length]).toEqual([longest, longest]);
    const own = (row: Row, from: number) =>
      Object.fromEntries(
        Object.entries(row)
          .filter(([name]) => !name.startsWith("_"))
          .map(([name, value]) => [name, name === "id" ? Number(value) - from : value]),
      );
    expect(streamed.map((row) => own(row, 1000))).toEqual(read.map((row) => own(row, 0)));
  });
}

/** The rows of the table under the types that its first segment has: a value that is none of them would fail. */
async function landed(h: Harness, bytes: Uint8Array): Promise<readonly Row[]> {
  const file = h.file("segment", bytes);
  const read = { ...READ, table: "public.every" };
  const [seen] = (await h.inspect([file], read)).files;
  const types = Object.fromEntries((seen?.columns ?? []).map(({ name, type }) => [name, type]));
  const { rows, rejects } = await h.decode([file], types, { read });
  expect(rejects).toEqual([]);
  return rows;
}

/** A value as text, and in binary form. */
interface Sent {
  readonly text: string;
  readonly bytes: Buffer;
}

async function sent(client: pg.Client, type: string, literals: readonly string[]): Promise<Sent[]> {
  const found = await client.query(
    "select typsend::text as name from pg_type where oid = $1::regtype",
    [type],
  );
  const list = literals.map((value) => `('${value.replaceAll("'", "''")}'::${type})`).join(", ");
  const { rows } = await client.query(
    `select format('%s', v) as text, encode(${found.rows[0].name}(v), 'hex') as hex from (values ${list}) as t(v)`,
  );
  return rows.map(({ text, hex }) => ({ text, bytes: Buffer.from(hex, "hex") }));
}

async function wireOf(client: pg.Client, type: string): Promise<WireType> {
  const { rows } = await client.query(`select $1::regtype::oid::int8 as oid`, [type]);
  return await wireOfOid(client, Number(rows[0].oid));
}

const KINDS: Readonly<Record<string, WireType["kind"]>> = {
  d: "domain",
  e: "enum",
  c: "composite",
  r: "range",
  m: "multirange",
};

async function wireOfOid(client: pg.Client, oid: number): Promise<WireType> {
  const { rows } = await client.query(
    `select t.typname, t.typtype, t.typbasetype::int8, t.typdelim, t.typrelid::int8,
       case when t.typcategory = 'A' and t.typlen = -1 then t.typelem::int8 else 0 end as elem,
       coalesce((select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)), 0)::int8 as bound
     from pg_type t where t.oid = $1`,
    [oid],
  );
  const {
    typname: name,
    typtype,
    typbasetype,
    typdelim: delimiter,
    typrelid,
    elem,
    bound,
  } = rows[0];
  const base = { oid, typmod: -1, name, kind: KINDS[typtype] ?? "base" } as const;
  if (Number(elem) !== 0 && oid !== 22 && oid !== 30) {
    return { ...base, kind: "array", delimiter, element: await wireOfOid(client, Number(elem)) };
  }
  if (Number(bound) !== 0) return { ...base, element: await wireOfOid(client, Number(bound)) };
  if (base.kind === "domain")
    return { ...base, base: await wireOfOid(client, Number(typbasetype)) };
  if (base.kind !== "composite") return base;
  const found = await client.query(
    `select attname, atttypid::int8 from pg_attribute
     where attrelid = $1 and attnum > 0 and not attisdropped order by attnum`,
    [typrelid],
  );
  const fields: { name: string; wire: WireType }[] = [];
  for (const { attname, atttypid } of found.rows) {
    fields.push({ name: attname, wire: await wireOfOid(client, Number(atttypid)) });
  }
  return { ...base, fields };
}

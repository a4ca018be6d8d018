/**
 * Values of every type as real servers send them: the binary form has the text of the other, and rows that are read and
 * rows that are streamed are the same rows.
 */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import type pg from "pg";
import { must } from "../../core/base/assert.ts";
import type { WireType } from "../../core/ingest/segment.ts";
import { binaryText } from "../../sql/decode/segment/postgres/binary-text.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { Harness, READ } from "../unit/sql/decode/harness.ts";
import { StreamLake } from "./stream-lake.ts";

setDefaultTimeout(120_000);

const SETTINGS = [
  "DateStyle = ISO",
  "IntervalStyle = postgres",
  "TimeZone = UTC",
  "extra_float_digits = 1",
  "bytea_output = hex",
  "lc_monetary = 'C'",
];

const SETUP = `
  create extension if not exists hstore;
  create extension if not exists citext;
  create extension if not exists ltree;
  create type mood as enum ('sad', 'so so', '"very" glad');
  create domain small as numeric(6, 2);
  create domain smaller as small;
  create type pair as (a int, "b c" text);
  create type nest as (p pair, at timestamptz[], n small);
`;

/** Texts of values by type. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  bool: ["t", "f"],
  int2: ["0", "-32768", "32767"],
  int4: ["-2147483648", "2147483647"],
  int8: ["-9223372036854775808", "9223372036854775807"],
  oid: ["0", "4294967295"],
  xid: ["4294967295"],
  cid: ["7"],
  xid8: ["18446744073709551615"],
  tid: ["(4294967295,65535)"],
  int2vector: ["1 2 -3", ""],
  oidvector: ["1 4294967295"],
  float4: [
    "0",
    "-0",
    "1e-45",
    "3.4028235e38",
    "NaN",
    "Infinity",
    "-Infinity",
    "0.1",
    "123456",
    "1234567",
    "1e6",
    "0.0001",
    "0.00001",
    "16777216",
    "60732192",
    "16777220",
    "8.5e9",
    "33554436",
  ],
  float8: [
    "0",
    "-0",
    "5e-324",
    "1.7976931348623157e308",
    "NaN",
    "Infinity",
    "-Infinity",
    "0.1",
    "123456789012345",
    "1e15",
    "1e14",
    "0.0001",
    "0.00012345",
    "0.00001",
    "123456.789",
    "9007199254740993",
    "1e23",
    "2e23",
    "36028797018963972",
    "18014398509481988",
  ],
  numeric: [
    "0",
    "-0.000",
    "1",
    "10000",
    "9999.9999",
    "0.0001",
    "0.00001",
    "-12345678901234567890.12345678901234567890",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e300",
    "1e-300",
    `${"9".repeat(1000)}.${"1".repeat(500)}`,
  ],
  "numeric(3,-2)": ["12345"],
  "numeric(12,4)": ["1.5", "-99999999.9999", "NaN"],
  money: ["0", "-1.5", "1234567.89", "-92233720368547758.08", "999.99"],
  text: ["", "a\tb\nc", "käse 🧀", "NULL", "\\x00"],
  varchar: ["x"],
  "char(5)": ["ab"],
  '"char"': ["a", ""],
  name: ["a name"],
  bytea: ["\\x", "\\x00ff5c", "abc\\\\"],
  bit: ["0", "1"],
  "bit(11)": ["01101110101"],
  varbit: ["", "1", "110011001"],
  date: [
    "2024-02-29",
    "0001-01-01",
    "0044-03-15 BC",
    "4713-01-01 BC",
    "5874897-12-31",
    "infinity",
    "-infinity",
    "10000-01-01",
    "1999-12-31",
  ],
  time: ["00:00", "24:00", "12:34:56.789012", "23:59:59.999999", "01:02:03.1"],
  timetz: ["12:00+02", "24:00-15:59:59", "01:02:03.004+05:30", "00:00+00"],
  timestamp: [
    "2024-02-29 12:34:56.789",
    "0044-03-15 12:00 BC",
    "4713-01-01 00:00 BC",
    "294276-12-31 23:59:59.999999",
    "infinity",
    "-infinity",
    "1999-12-31 23:59:59.999999",
    "2000-01-01",
    "1969-12-31 23:59:59.5",
  ],
  timestamptz: [
    "2024-02-29 12:34:56.789+05:30",
    "0044-03-15 12:00+00 BC",
    "294276-12-31 23:59:59.999999+00",
    "infinity",
    "-infinity",
    "1883-11-18 12:00:00+00",
  ],
  interval: [
    "0",
    "1 year 2 mons 3 days 04:05:06.789",
    "-1 year +2 days -00:00:00.000001",
    "1 mon -1 day",
    "-1 mon 1 day 1 hour",
    "178000000 years",
    "999999:59:59",
    "-1 day +1 hour",
    "1 day",
    "-3 hours",
    "14 months",
  ],
  uuid: ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  json: ['{"a" : 1, "a": 2}', "null", ' [1e400, "\\u00e9"]'],
  jsonb: ['{"a" : 1, "b": [1.50, null]}', '"x"'],
  jsonpath: ["$.a[*] ? (@ > 1)"],
  xml: [
    "<a>b</a>",
    '<?xml version="1.0" encoding="UTF-8"?><a/>',
    '<?xml version="1.0" standalone="yes"?><a/>',
  ],
  inet: [
    "10.0.0.1",
    "10.0.0.1/24",
    "::1",
    "::",
    "1:0:0:2::3/64",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "fe80::1:0:0:1",
    "1:2:3:4:5:6:7:8",
    "0:0:1::",
    "::2:1",
    "1:0:2:3:4:5:6:7",
  ],
  cidr: ["10.0.0.0/8", "10.0.0.1/32", "2001:db8::/32", "::/0"],
  macaddr: ["08:00:2b:01:02:03"],
  macaddr8: ["08:00:2b:01:02:03:04:05"],
  point: ["(1,2.5)", "(1e300,-0)", "(NaN,Infinity)"],
  line: ["{1,2,3}"],
  lseg: ["[(0,1),(2,3)]"],
  box: ["(3,4),(1,2)"],
  path: ["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"],
  polygon: ["((0,0),(1,1),(2,0))"],
  circle: ["<(1,2),3.5>"],
  pg_lsn: ["16/B374D848", "0/0", "FFFFFFFF/FFFFFFFF"],
  pg_snapshot: ["10:20:10,14,15", "10:10:"],
  txid_snapshot: ["10:20:10,14,15"],
  tsvector: ["'a':1A,2B,3C,4 'it''s' 'back\\\\slash'", ""],
  int4range: ["[1,5)", "empty", "(,)", "[3,)", "(,9)"],
  int8range: ["[-5,7)"],
  numrange: ["(1.5,2.50]", "[1,1]"],
  tsrange: ["[2024-01-01 00:00,2024-02-01 00:00)", "[,infinity]"],
  tstzrange: ["[2024-01-01 00:00+02,)"],
  daterange: ["[2024-01-01,2024-02-01)", "(,0044-03-15 BC]"],
  "int4[]": ["{}", "{1,NULL,3}", "{{1,2},{3,4}}", "[2:3]={7,8}", "[-1:0][5:5]={{1},{2}}"],
  "text[]": [
    '{a,"b c","","NULL",NULL,"q\\"t","b\\\\s","{}","x,y"," pad",käse}',
    "{{a,b},{c,NULL}}",
  ],
  "timestamptz[]": ['{"2024-01-01 00:00:00+00",infinity}'],
  "bytea[]": ['{"\\\\x00ff"}'],
  "box[]": ["{(3,4),(1,2);(1,1),(0,0)}"],
  "interval[]": ['{"1 day","02:00:00"}'],
  "jsonb[]": ['{"{\\"a\\": 1}"}'],
  "numrange[]": ['{"[1,2)",empty}'],
  mood: ["sad", "so so", '"very" glad'],
  "mood[]": ['{sad,"so so","\\"very\\" glad"}'],
  small: ["12.5", "NaN"],
  smaller: ["-1"],
  "small[]": ["{1.5,NULL}"],
  pair: ['(1,"a b")', "(,)", '(2,"")', '(3,"q""u\\\\o(,)")', "(4,x)"],
  "pair[]": ['{"(1,\\"a b\\")",NULL}'],
  nest: ['("(1,x)","{""2024-01-01 00:00:00+00""}",1.50)', "(,{},)"],
  hstore: ['a=>1, b=>NULL, "c d"=>"e\\"f"', ""],
  "hstore[]": ['{"\\"a\\"=>\\"1\\""}'],
  citext: ["AbC"],
  ltree: ["a.b.c"],
  lquery: ["a.*{1,3}.b"],
};

/** Types and values that only later servers have. */
const SINCE_14 = {
  int4multirange: ["{}", "{[1,3),[5,7)}", "{(,)}"],
  nummultirange: ["{[1.5,2.50],(3,)}"],
  datemultirange: ["{[2024-01-01,2024-02-01)}"],
};
const SINCE_17 = { interval: ["infinity", "-infinity"] };

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
    const all = [VALUES, SINCE_14, ...(version >= 17 ? [SINCE_17] : [])];
    const wrong: string[] = [];
    for (const [type, values] of all.flatMap((one) => Object.entries(one))) {
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
    const types = Object.keys(VALUES).filter((type) => !UNSTORED.has(type));
    const columns = types.map((type, index) => `c${index} ${type}`);
    await client.query("create table marks (m bigint primary key)");
    await client.query(`create table every (id int primary key, ${columns.join(", ")})`);
    const longest = Math.max(...types.map((type) => VALUES[type]?.length ?? 0));
    const insert = async (from: number) => {
      for (let row = 0; row < longest; row++) {
        const values = types.map((type) => literal(VALUES[type]?.[row] ?? null, type));
        await client.query(`insert into every values (${from + row}, ${values.join(", ")})`);
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

function literal(value: string | null, type: string): string {
  return value === null ? "null" : `'${value.replaceAll("'", "''")}'::${type}`;
}

/** Types that no column can have, or that no value can be compared in. */
const UNSTORED: ReadonlySet<string> = new Set(["nothing"]);

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

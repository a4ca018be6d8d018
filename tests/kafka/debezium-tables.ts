/**
 * Tables of PostgreSQL and MariaDB that Debezium reads, and what befalls them: many types at their edges, identities,
 * large values that do not change, truncations, names that no topic may have.
 */

/** A column, and how the texts of its values are asked of both sides. */
export interface Column {
  readonly name: string;
  /** As the source declares it. */
  readonly declared: string;
  /** In the lake, in DuckDB's words. */
  readonly type: string;
  /** Expressions; the two texts of one value are equal. */
  readonly source: string;
  readonly lake: string;
  /** What a model makes of it where the event has no schema; null: it is as it comes. */
  readonly plain: string | null;
}

export interface Table {
  readonly name: string;
  /** What topics end with. */
  readonly topic: string;
  /** `schema.table`, as events say it. */
  readonly said: string;
  readonly keys: readonly string[];
  readonly columns: readonly Column[];
  /** What is done before anybody reads, and since. */
  readonly before: readonly string[];
  readonly since: readonly string[];
}

interface More {
  readonly source?: string;
  readonly lake?: string;
  readonly plain?: string | null;
}

type Make = (name: string, declared: string, type: string, more?: More) => Column;

const postgres: Make = (name, declared, type, more = {}) => ({
  ...{ name, declared, type, plain: `"${name}"::${type}` },
  ...{ source: `"${name}"::text`, lake: `"${name}"::varchar` },
  ...more,
});
const maria: Make = (name, declared, type, more = {}) => ({
  ...postgres(name, declared, type),
  source: `cast(\`${name}\` as char)`,
  ...more,
});

const micros = (name: string): string => `(extract(epoch from "${name}") * 1000000)::bigint::text`;
const epoch = (name: string): string => `epoch_us("${name}")::varchar`;
/** Days, and microseconds by the clock on the wall, as numbers without a schema say them. */
const day = (name: string): string => `date '1970-01-01' + "${name}"::int`;
const wall = (name: string, unit = 1): string => `make_timestamp("${name}" * ${unit})`;
const bytes = (name: string): string => `from_base64("${name}")`;
const hex = (name: string): string => `lower(hex("${name}"))`;
const double = (name: string): string =>
  `replace(replace("${name}"::double::varchar, 'inf', 'Infinity'), 'nan', 'NaN')`;
const items = (name: string): string => `to_json("${name}")::varchar`;
const listed = (name: string, sql = `"${name}"`): string => `to_json(${sql})::text`;

const EVERY: readonly Column[] = [
  postgres("id", "bigint primary key", "BIGINT"),
  postgres("i2", "smallint not null default 7", "INTEGER"),
  postgres("i4", "integer", "INTEGER"),
  postgres("i8", "bigint", "BIGINT"),
  postgres("f4", "real", "FLOAT", { source: `"f4"::float8::text`, lake: double("f4") }),
  postgres("f8", "double precision", "DOUBLE", { lake: double("f8") }),
  postgres("n", "numeric(20,4)", "DECIMAL(20,4)"),
  postgres("nb", "numeric(38,0)", "DECIMAL(38,0)"),
  postgres("nv", "numeric", "VARCHAR"),
  postgres("b", "boolean", "BOOLEAN"),
  postgres("t", "text", "VARCHAR"),
  postgres("ch", "char(5)", "VARCHAR", { source: `to_json("ch") #>> '{}'` }),
  postgres("by", "bytea", "BLOB", {
    ...{ source: `encode("by", 'hex')`, lake: hex("by"), plain: bytes("by") },
  }),
  postgres("d", "date", "DATE", {
    lake: `replace("d"::varchar, '(BC)', 'BC')`,
    plain: day("d"),
  }),
  postgres("ts", "timestamp", "TIMESTAMP", {
    ...{ source: micros("ts"), lake: epoch("ts"), plain: wall("ts") },
  }),
  postgres("ts3", "timestamp(3)", "TIMESTAMP", {
    ...{ source: micros("ts3"), lake: epoch("ts3"), plain: wall("ts3", 1000) },
  }),
  postgres("tsz", "timestamptz", "TIMESTAMP WITH TIME ZONE", {
    ...{ source: micros("tsz"), lake: epoch("tsz") },
  }),
  postgres("ti", "time", "TIME", {
    ...{ source: micros("ti"), lake: epoch("ti") },
    plain: `time '00:00' + to_microseconds("ti")`,
  }),
  postgres("tiz", "timetz", "VARCHAR", {
    source: `to_char((date '2000-01-01' + tiz) at time zone 'UTC', 'HH24:MI:SS.US')`,
    lake: `strftime(rtrim("tiz", 'Z')::time + date '2000-01-01', '%H:%M:%S.%f')`,
  }),
  postgres("u", "uuid", "UUID"),
  postgres("j", "json", "VARCHAR"),
  postgres("jb", "jsonb", "VARCHAR"),
  postgres("bit1", "bit(1)", "BOOLEAN", { source: `("bit1" = B'1')::text` }),
  postgres("bits", "bit(12)", "BLOB", {
    // Bytes, the last first.
    source: `lpad(to_hex(("bits"::int & 255)), 2, '0') || lpad(to_hex("bits"::int >> 8), 2, '0')`,
    ...{ lake: hex("bits"), plain: bytes("bits") },
  }),
  postgres("ia", "integer[]", "INTEGER[]", { source: listed("ia"), lake: items("ia") }),
  postgres("la", "bigint[]", "BIGINT[]", { source: listed("la"), lake: items("la") }),
  postgres("ta", "text[]", "VARCHAR[]", { source: listed("ta"), lake: items("ta") }),
  postgres("na", "numeric(10,2)[]", "DECIMAL(10,2)[]", {
    ...{ source: listed("na", `"na"::text[]`), lake: `to_json("na"::varchar[])::varchar` },
  }),
  postgres("da", "date[]", "DATE[]", {
    ...{ source: listed("da"), lake: items("da") },
    plain: `list_transform("da", lambda x: date '1970-01-01' + x::int)`,
  }),
  postgres("ua", "uuid[]", "UUID[]", { source: listed("ua"), lake: items("ua") }),
  postgres("fa", "float8[]", "DOUBLE[]", {
    ...{ source: listed("fa", `"fa"::text[]`), lake: `to_json("fa"::varchar[])::varchar` },
  }),
  // Microseconds: of months, which are 30.4375 days there, the event says no more.
  postgres("iv", "interval", "BIGINT", {
    source: micros("iv"),
  }),
  postgres("ip", "inet", "VARCHAR"),
  postgres("mac", "macaddr", "VARCHAR"),
  postgres("e", "mood", "VARCHAR"),
  postgres("m", "money", "DECIMAL(38,2)", { source: "m::numeric::text" }),
  postgres("r", "int4range", "VARCHAR"),
  postgres("x", "xml", "VARCHAR"),
  postgres("hs", "hstore", "VARCHAR", { source: `replace("hs"::json::text, ': ', ':')` }),
];

/** One value of each column, in the words of the database. */
const VALUES = `12, -5, 9223372036854775807, 0.1, 0.1, 12345678901234.5678,
  99999999999999999999999999999999999999, 1.5, true, 'tëxt', 'ab', '\\x00ff07', '2024-02-29',
  '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999', '2024-02-29 23:59:59.999999+05',
  '23:59:59.999999', '01:02:03.5+05', '0189d6e8-5c1e-7000-8000-0123456789ab', '{"a": 1, "a": 2}',
  '{"b": [1, 2.50]}', B'1', B'101010101010', '{1,null,3}', '{9007199254740993}', '{"a,b",null,"c"}',
  '{1.50,2.25}', '{2024-02-29}', '{0189d6e8-5c1e-7000-8000-0123456789ab}', '{0.1,2.5}',
  '2 days 03:00:00.5', '10.0.0.1/8', '08:00:2b:01:02:03', 'ok', '12.34', '[1,5)', '<a/>', 'a=>1'`;

const every: Table = {
  name: "every",
  topic: "public.every",
  said: "public.every",
  keys: ["id"],
  columns: [...EVERY, postgres("added", "numeric(6,2)", "DECIMAL(6,2)")],
  before: [
    `create table "every"(${EVERY.map(({ name, declared }) => `"${name}" ${declared}`).join(", ")})`,
    `insert into "every" values (1, ${VALUES})`,
    `insert into "every"(id) values (2)`,
  ],
  since: [
    `insert into "every" values (3, ${VALUES}), (4, ${VALUES})`,
    `update "every" set t = 'changed', n = -0.0001, d = '0001-01-01', ts = '0001-01-01',
      i8 = -9223372036854775808 where id = 3`,
    `update "every" set id = 5 where id = 4`,
    `delete from "every" where id = 2`,
    `insert into "every"(id, d, tsz) values (6, '0044-03-15 BC', '0044-03-15 00:00:00+00 BC')`,
    `insert into "every"(id, f8, f4) values (7, 'Infinity', '-Infinity'), (8, 'NaN', 'NaN')`,
    `insert into "every"(id, ts, ts3, tsz) values
      (9, '1969-12-31 23:59:59.999999', '1900-01-01 00:00:00.001', '1582-10-10 00:00:00+00')`,
    `insert into "every"(id, ia, iv, t) values (10, '{}', '-1 day', '')`,
    `alter table "every" add column added numeric(6,2) default 1.25`,
    `insert into "every"(id, added) values (11, 2.5)`,
    `update "every" set t = 'x', added = null where id = 1`,
    // What was there has the default in the source, and NULL in events that were before.
    `update "every" set added = 7`,
  ],
};

/** Large values whose types tell when they were not sent. */
const LARGE = {
  big: ["text", "VARCHAR", "repeat('x', 20000)"],
  jb: ["jsonb", "VARCHAR", "jsonb_build_object('a', repeat('x', 20000))"],
  by: ["bytea", "BLOB", "convert_to(repeat('x', 20000), 'UTF8')"],
  ta: ["text[]", "VARCHAR[]", "array[repeat('y', 20000), 'z']"],
  ia: ["integer[]", "INTEGER[]", "(select array_agg(i) from generate_series(1, 3000) i)"],
  ua: ["uuid[]", "UUID[]", "(select array_agg(md5(i::text)::uuid) from generate_series(1, 600) i)"],
  da: [
    "date[]",
    "DATE[]",
    "(select array_agg(date '2024-01-01' + i) from generate_series(1, 3000) i)",
  ],
  hs: ["hstore", "VARCHAR", "hstore('a', repeat('x', 20000))"],
} as const;

function large(name: string, identity: "default" | "full"): Table {
  const columns = [
    postgres("id", "int primary key", "INTEGER"),
    postgres("n", "int", "INTEGER"),
    ...Object.entries(LARGE).map(([column, [declared, type]]) => {
      const like = EVERY.find((one) => one.declared === declared);
      return like === undefined ? postgres(column, declared, type) : renamed(like, column);
    }),
  ];
  const row = (id: number) =>
    `insert into ${name} values (${id}, 1, ${Object.values(LARGE)
      .map(([, , sql]) => sql)
      .join(", ")})`;
  return {
    name,
    topic: `public.${name}`,
    said: `public.${name}`,
    keys: ["id"],
    columns,
    before: [
      `create table ${name}(${columns.map((one) => `"${one.name}" ${one.declared}`).join(", ")})`,
      ...Object.keys(LARGE).map((one) => `alter table ${name} alter ${one} set storage external`),
      `alter table ${name} replica identity ${identity}`,
      row(1),
    ],
    since: [
      `update ${name} set n = 2 where id = 1`,
      row(2),
      `update ${name} set n = 3, big = 'small' where id = 2`,
      row(4),
      `delete from ${name} where id = 4`,
      // Of a key that changes, only the whole old row says what was not sent.
      ...(identity === "full" ? [row(5), `update ${name} set id = 6 where id = 5`] : []),
    ],
  };
}

/** The column under another name, which its expressions quote. */
export function renamed(column: Column, name: string): Column {
  const other = (sql: string): string => sql.replaceAll(`"${column.name}"`, `"${name}"`);
  const { source, lake, plain } = column;
  const [sourceOf, lakeOf] = [other(source), other(lake)];
  return {
    ...column,
    name,
    source: sourceOf,
    lake: lakeOf,
    plain: plain === null ? null : other(plain),
  };
}

const ODD = ["Schlüssel a", "key.b", "select", "Größe", "a-b", "_op"] as const;

function odd(make: Make, quote: string, schema: string): Table {
  const quoted = (name: string): string => `${quote}${name}${quote}`;
  const [a, b, c, d, e, f] = ODD;
  const names = ODD.map(quoted).join(", ");
  const table = quoted("Weird-Näme");
  const types = ["int", "varchar(20)", "int", "numeric(8,2)", "text", "text"];
  const declared = ODD.map((name, index) => `${quoted(name)} ${types[index]}`).join(", ");
  return {
    name: "Weird-Näme",
    topic: `${schema}.Weird-N_me`,
    said: `${schema}.Weird-Näme`,
    keys: [a, b],
    columns: [
      make(a, "int", "INTEGER"),
      make(b, "varchar(20)", "VARCHAR"),
      make(c, "int", "INTEGER"),
      make(d, "numeric(8,2)", "DECIMAL(8,2)"),
      make(e, "text", "VARCHAR"),
      make(f, "text", "VARCHAR"),
    ],
    before: [
      `create table ${table}(${declared}, primary key (${quoted(a)}, ${quoted(b)}))`,
      `insert into ${table}(${names}) values (1, 'x', 2, 3.14, 'ab', 'op')`,
    ],
    since: [
      `update ${table} set ${quoted(b)} = 'y', ${quoted(d)} = 9.99`,
      `insert into ${table}(${names}) values (2, 'x', 2, -3.14, null, ''), (3, '', 0, 0, 'x', 'y')`,
      `delete from ${table} where ${quoted(a)} = 3`,
    ],
  };
}

function cleared(make: Make, schema: string): Table {
  return {
    name: "cleared",
    topic: `${schema}.cleared`,
    said: `${schema}.cleared`,
    keys: ["id"],
    columns: [make("id", "int primary key", "INTEGER"), make("v", "text", "VARCHAR")],
    before: [
      "create table cleared(id int primary key, v text)",
      "insert into cleared values (1, 'gone')",
    ],
    since: [
      "insert into cleared values (2, 'gone')",
      "truncate table cleared",
      "insert into cleared values (2, 'kept')",
    ],
  };
}

export const POSTGRES: readonly Table[] = [
  every,
  large("toasted", "default"),
  large("whole", "full"),
  odd(postgres, '"', "public"),
  cleared(postgres, "public"),
];

/** Without a schema a number of 64 bits with its sign is what was sent. */
const SIGNED = `case when "u8" < 0 then 18446744073709551616 + "u8" else "u8" end::DECIMAL(20,0)`;
const EVERY_TYPE: readonly Column[] = [
  maria("id", "bigint primary key", "BIGINT"),
  maria("t1", "tinyint", "INTEGER"),
  maria("bo", "boolean", "INTEGER"),
  maria("i3", "mediumint", "INTEGER"),
  maria("i4", "int not null default 7", "INTEGER"),
  maria("i8", "bigint", "BIGINT"),
  maria("u1", "tinyint unsigned", "INTEGER"),
  maria("u4", "int unsigned", "BIGINT"),
  maria("u8", "bigint unsigned", "DECIMAL(20,0)", { plain: SIGNED }),
  maria("n", "decimal(20,4)", "DECIMAL(20,4)"),
  maria("nb", "decimal(38,0)", "DECIMAL(38,0)"),
  maria("f4", "float", "FLOAT", {
    source: "cast(cast(`f4` as double) as char)",
    lake: double("f4"),
  }),
  maria("f8", "double", "DOUBLE"),
  maria("bit1", "bit(1)", "BOOLEAN", {
    source: "case when `bit1` is null then null when `bit1` then 'true' else 'false' end",
  }),
  maria("bits", "bit(12)", "BLOB", {
    source: "lower(concat(lpad(hex(`bits` & 255), 2, '0'), lpad(hex(`bits` >> 8), 2, '0')))",
    ...{ lake: hex("bits"), plain: bytes("bits") },
  }),
  maria("ch", "char(5)", "VARCHAR"),
  maria("vc", "varchar(20) character set latin1", "VARCHAR"),
  maria("t", "mediumtext", "VARCHAR"),
  maria("bi", "binary(4)", "BLOB", {
    source: "lower(hex(`bi`))",
    lake: hex("bi"),
    plain: bytes("bi"),
  }),
  maria("bl", "blob", "BLOB", { source: "lower(hex(`bl`))", lake: hex("bl"), plain: bytes("bl") }),
  maria("d", "date", "DATE", { plain: day("d") }),
  maria("dt", "datetime", "TIMESTAMP", { plain: wall("dt", 1000) }),
  maria("dt6", "datetime(6)", "TIMESTAMP", {
    source: "trim(trailing '.' from trim(trailing '0' from cast(`dt6` as char)))",
    plain: wall("dt6"),
  }),
  maria("ts", "timestamp(6) null", "TIMESTAMP WITH TIME ZONE", {
    source: "cast(cast(unix_timestamp(`ts`) * 1000000 as integer) as char)",
    lake: epoch("ts"),
  }),
  maria("y", "year", "INTEGER"),
  maria("e", "enum('a','b c')", "VARCHAR"),
  maria("s", "set('x','y','z')", "VARCHAR"),
  maria("j", "json", "VARCHAR"),
  maria("u", "uuid", "UUID"),
];

const MARIA_VALUES = `-5, true, -70000, -5, 9223372036854775807, 255, 4294967295,
  18446744073709551615, 12345678901234.5678, 99999999999999999999999999999999999999, 0.5, 0.1,
  b'1', b'101010101010', 'ab', 'größe', 'tëxt', x'00ff0700', x'00ff', '2024-02-29',
  '2024-02-29 23:59:59', '2024-02-29 23:59:59.999999', '2024-02-29 23:59:59.999999', 2024, 'b c',
  'x,z', '{"a": [1, 2.50]}', '0189d6e8-5c1e-7000-8000-0123456789ab'`;

const everyType: Table = {
  name: "every_type",
  topic: "shop.every_type",
  said: "shop.every_type",
  keys: ["id"],
  columns: [...EVERY_TYPE, maria("added", "decimal(6,2)", "DECIMAL(6,2)")],
  before: [
    `create table every_type(${EVERY_TYPE.map((one) => `\`${one.name}\` ${one.declared}`).join(", ")})`,
    `insert into every_type values (1, ${MARIA_VALUES})`,
    "insert into every_type(id) values (2)",
  ],
  since: [
    `insert into every_type values (3, ${MARIA_VALUES}), (4, ${MARIA_VALUES})`,
    `insert into every_type(id, n, d, dt6) values
      (5, -0.0001, '1000-01-01', '1000-01-01 00:00:00.000001'),
      (6, 1, '9999-12-31', '9999-12-31 23:59:59.999999')`,
    "update every_type set id = 7 where id = 4",
    "update every_type set t = 'x', u8 = 1, bo = false where id = 1",
    "delete from every_type where id = 2",
    "alter table every_type add column added decimal(6,2) default 1.25",
    "insert into every_type(id, added) values (8, 2.5)",
    "update every_type set added = 7",
  ],
};

export const MARIADB: readonly Table[] = [
  everyType,
  odd(maria, "`", "shop"),
  cleared(maria, "shop"),
];

/** Behind it come no others: a table of its own, so that whoever waits for it has waited for all. */
export const LAST: Table = {
  name: "last_of_all",
  topic: "last_of_all",
  said: "last_of_all",
  keys: ["id"],
  columns: [],
  before: ["create table last_of_all(id int primary key)"],
  since: ["insert into last_of_all values (1)"],
};

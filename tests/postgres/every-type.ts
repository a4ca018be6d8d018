/** Every type of PostgreSQL, with values at its edges. */

/** Under which the server writes the texts that values are compared by. */
export const SETTINGS = [
  "DateStyle = ISO",
  "IntervalStyle = postgres",
  "TimeZone = UTC",
  "extra_float_digits = 1",
  "bytea_output = hex",
  "lc_monetary = 'C'",
];

/** What the types need to be there. */
export const SETUP = `
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

/** Types that came with PostgreSQL 14. */
const SINCE_14 = {
  int4multirange: ["{}", "{[1,3),[5,7)}", "{(,)}"],
  nummultirange: ["{[1.5,2.50],(3,)}"],
  datemultirange: ["{[2024-01-01,2024-02-01)}"],
};
const SINCE_15 = { "numeric(3,-2)": ["12345"] };
/** Values that only later servers have. */
const SINCE_17 = { interval: ["infinity", "-infinity"] };

/** Texts of values by the types that a server of this version has. */
export function valuesFor(version: number): ReadonlyMap<string, readonly string[]> {
  const since = [SINCE_14, ...(version >= 15 ? [SINCE_15] : [])];
  const values = new Map([VALUES, ...since].flatMap((one) => Object.entries(one)));
  const intervals = [...(VALUES.interval ?? []), ...(version >= 17 ? SINCE_17.interval : [])];
  return values.set("interval", intervals);
}

/** A value as it stands in a statement. */
export function literal(value: string | null, type: string): string {
  return value === null ? "null" : `'${value.replaceAll("'", "''")}'::${type}`;
}

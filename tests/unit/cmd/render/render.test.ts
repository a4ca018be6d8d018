/** Golden texts of every output format. */

import { expect, test } from "bun:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { tableFromIPC } from "apache-arrow";
import { outputKind } from "../../../../cmd/render/output-file.ts";
import {
  footerText,
  parseFormat,
  type RenderOptions,
  renderResult,
} from "../../../../cmd/render/render.ts";
import { createStyle } from "../../../../cmd/render/style.ts";
import { type ResultSet, resultFromDuckDB } from "../../../../sql/query/result.ts";

const OPTIONS: RenderOptions = {
  format: "box",
  style: createStyle(false),
  timezone: "UTC",
  width: 80,
  rowsMax: 40,
  jsonNumbers: "js",
  toFile: false,
};

async function query(sql: string): Promise<ResultSet> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("set TimeZone = 'UTC'");
  return resultFromDuckDB(await connection.stream(sql));
}

async function render(sql: string, change: Partial<RenderOptions> = {}) {
  const parts: (string | Uint8Array)[] = [];
  const rendered = await renderResult(
    await query(sql),
    { ...OPTIONS, ...change },
    {
      async write(data) {
        parts.push(data);
      },
    },
  );
  return { text: parts.join(""), parts, rendered };
}

const SHOP = `select * from (values ('paid', 902114, 41204118.20::decimal(38,2), null),
  ('日本', 201480, 9104220.00, [1, null]), ('a|b' || chr(10) || 'c', 7, -0.10, [])) t(status, n, total, tags)`;

test("a box has names, types, aligned numbers, wide characters and visible control characters", async () => {
  expect((await render(SHOP)).text).toBe(`\
┌─────────┬────────┬───────────────┬───────────┐
│ status  │   n    │     total     │   tags    │
│ varchar │ int32  │ decimal(38,2) │  int32[]  │
├─────────┼────────┼───────────────┼───────────┤
│ paid    │ 902114 │   41204118.20 │ NULL      │
│ 日本    │ 201480 │    9104220.00 │ [1, NULL] │
│ a|b\\nc  │      7 │         -0.10 │ []        │
└─────────┴────────┴───────────────┴───────────┘
`);
});

test("a long result shows its first and last rows", async () => {
  const { text, rendered } = await render("from range(100000) t(n)");
  const lines = text.split("\n");
  expect(lines.slice(3, 6)).toEqual(["├───────┤", "│     0 │", "│     1 │"]);
  expect(lines.slice(14, 17)).toEqual(["│     · │", "│     · │", "│     · │"]);
  expect(lines.slice(-4)).toEqual(["│ 99998 │", "│ 99999 │", "└───────┘", ""]);
  expect(footerText(rendered, 14, ["silver.orders@5"])).toBe(
    " 100,000 rows (20 shown) · 1 column · 14 ms · silver.orders@5",
  );
});

test("a box never is wider than the terminal and says what it left out", async () => {
  for (const width of [20, 40, 79, 120]) {
    const columns = Array.from({ length: 30 }, (_none, i) => `repeat('x', ${i * 3}) c${i}`);
    const { text, rendered } = await render(`select ${columns.join(", ")}`, { width });
    for (const line of text.trimEnd().split("\n"))
      expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width);
    expect(rendered.columnsShown).toBeLessThan(30);
    expect(footerText(rendered, 3, [])).toContain(`30 columns (${rendered.columnsShown} shown)`);
  }
});

test("an empty result keeps its header", async () => {
  const { text } = await render("select 1 a where false");
  expect(text).toBe("┌───────┐\n│   a   │\n│ int32 │\n└───────┘\n");
});

const NESTED = `select 1 id, 9007199254740993 big, 12.50::decimal(9,2) price, 1234567890123456.78::decimal(18,2) sum,
  'nan'::double odd, {'a': [1, null], 'when': timestamptz '2026-01-02 03:04:05+00'} s, map {'k': 1} m,
  '{"x":  [1]}'::json j, '\\xAA'::blob b, null "nothing", 2 id`;

test("json is exact: text where JavaScript would bend, or bare numbers when asked", async () => {
  const { text } = await render(NESTED, { format: "jsonl" });
  expect(text).toBe(
    '{"id":1,"big":"9007199254740993","price":12.50,"sum":"1234567890123456.78","odd":"nan",' +
      '"s":{"a":[1,null],"when":"2026-01-02 03:04:05+00"},"m":{"k":1},"j":{"x":  [1]},"b":"\\\\xAA",' +
      '"nothing":null,"id_1":2}\n',
  );
  const exact = await render(NESTED, { format: "jsonl", jsonNumbers: "exact" });
  expect(exact.text).toContain('"big":9007199254740993,');
  expect(exact.text).toContain('"sum":1234567890123456.78,');
});

test("json is one array, also over many chunks and none", async () => {
  const many = await render("from range(5000) t(n)", { format: "json" });
  expect(JSON.parse(many.text)).toHaveLength(5000);
  expect((await render("select 1 where false", { format: "json" })).text).toBe("[]\n");
});

test("csv and tsv quote what needs it and tell NULL from the empty text", async () => {
  const sql = `select 'a,b' "x,y", 'q"q' b, null c, '' d, chr(10) e, 1.0::double f`;
  expect((await render(sql, { format: "csv" })).text).toBe(
    '"x,y",b,c,d,e,f\n"a,b","q""q",,"","\n",1.0\n',
  );
  expect((await render("select 'a' || chr(9) || 'b' x, 'a,b' y", { format: "tsv" })).text).toBe(
    'x\ty\n"a\tb"\ta,b\n',
  );
  expect((await render("select null x", { format: "csv" })).text).toBe('x\n""\n');
});

test("markdown and line", async () => {
  expect((await render(SHOP, { format: "markdown" })).text).toBe(`\
| status | n | total | tags |
|---|---:|---:|---|
| paid | 902114 | 41204118.20 | NULL |
| 日本 | 201480 | 9104220.00 | [1, NULL] |
| a\\|b<br>c | 7 | -0.10 | [] |
`);
  expect((await render("select 1 a, 'x' long from range(2)", { format: "line" })).text).toBe(
    "   a = 1\nlong = x\n\n   a = 1\nlong = x\n",
  );
});

test("arrow keeps types and values, as a stream and as a file", async () => {
  const sql = `select i::bigint id, -i::hugeint h, (i / 4)::decimal(9,2) d, 'é' || i s, i % 2 = 0 b,
    if(i % 3 = 0, null, [i, null]) l, {'x': i} st, map {'k': i} m, date '2026-01-01' + i::int dt,
    timestamptz '2026-01-01 00:00:00+00' ts, i::float f, '\\xAA'::blob bl, interval '1 day' iv, i::utinyint u
    from range(100) t(i)`;
  for (const toFile of [false, true]) {
    const { parts } = await render(sql, { format: "arrow", toFile });
    const table = tableFromIPC(Buffer.concat(parts.map((part) => Buffer.from(part))));
    expect(table.numRows).toBe(100);
    expect(String(table.schema)).toContain("id: Int64, 1: h: Decimal[38e0], 2: d: Decimal[9e+2]");
    const row = table.get(7)?.toJSON() ?? {};
    expect(row.id).toBe(7n);
    expect(String(row.s)).toBe("é7");
    expect(row.b).toBe(false);
    expect(String(row.l)).toBe("[7,]");
    expect(table.get(9)?.toJSON().l).toBe(null);
    expect(String(row.st)).toBe('{"x": 7}');
    expect(String(row.m)).toBe('{"k": 7}');
    expect(String(row.iv)).toBe("1 day");
  }
});

test("formats by name and by file ending", () => {
  expect(parseFormat("MD")).toBe("markdown");
  expect(() => parseFormat("xml")).toThrow("not an output format");
});

test("a file is of the format of its ending, packed by the one behind it, or is refused", () => {
  const kinds = [
    "x.csv",
    "a.b/x.TSV.gz",
    "x.json.zst",
    "x.ndjson",
    "x.parquet",
    "x.arrow",
    "x.xlsx",
  ];
  expect(kinds.map((path) => Object.values(outputKind(path)).join(" "))).toEqual([
    "csv ",
    "tsv gzip",
    "json zstd",
    "jsonl ",
    "parquet ",
    "arrow ",
    "xlsx ",
  ]);
  expect(outputKind("/dev/stdout", "csv")).toEqual({ format: "csv", packing: null });
  expect(() => outputKind("result")).toThrow(
    "cannot tell what result is to hold: it has no ending",
  );
  expect(() => outputKind("x.foo")).toThrow("nothing is written as .foo");
  expect(() => outputKind("x.gz")).toThrow("it has no ending");
  expect(() => outputKind("x.parquet.gz")).toThrow("parquet files are compressed inside");
});

test("the column for those left out stands where they were, whatever the width", async () => {
  const names = Array.from({ length: 9 }, (_, index) => `column_number_${index}`);
  const sql = `select ${names.map((name, index) => `${index} as ${name}`).join(", ")}`;
  for (let width = 40; width < 180; width++) {
    const { text } = await render(sql, { width });
    const cells = (text.split("\n")[4] ?? "").split("│").map((cell) => cell.trim());
    const shown = cells.slice(1, -1);
    const gap = shown.indexOf("…");
    if (gap < 0) continue;
    const left = shown.slice(0, gap).map(Number);
    const right = shown.slice(gap + 1).map(Number);
    expect(left).toEqual(left.map((_, index) => index));
    expect(right).toEqual(right.map((_, index) => 9 - right.length + index));
  }
});

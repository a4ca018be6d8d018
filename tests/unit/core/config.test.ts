/** The configuration: defaults, every kind of mistake with its place, and one description for editors. */

import { expect, test } from "bun:test";
import { defaultSource } from "../../../core/config/default-source.ts";
import { NO_CHOICE, variableReader } from "../../../core/config/variables.ts";
import { type ConfigResult, configSchema, readConfig } from "../../../core/config.ts";
import { quoteLiteral } from "../../../sql/syntax/quote.ts";
import { FILE_SOURCES } from "../../support/file-sources.ts";

function read(data: unknown, env: Record<string, string> = {}): ConfigResult {
  return readConfig(data, { folderName: "shop", env, sources: FILE_SOURCES });
}

/** `path: message (hint)` of every issue. */
function issues(data: unknown, env: Record<string, string> = {}): string[] {
  return read(data, env).issues.map(
    (issue) =>
      `${issue.path.join(".")}: ${issue.message}${issue.hint === null ? "" : ` (${issue.hint})`}`,
  );
}

test("a project without settings has defaults", () => {
  const { config } = read(null);
  expect([
    config?.project,
    config?.warehouse,
    config?.timezone,
    config?.sources,
    config?.layers.size,
  ]).toEqual(["shop", "warehouse", "UTC", [], 0]);
});

test("a source is read with its defaults", () => {
  const { config } = read({
    sources: {
      orders: {
        columns: { id: "bigint not null", amount: "decimal(10,2)" },
        format: "tsv",
        settle: "5s",
        nulls: "NA",
        required: ["amount"],
      },
    },
  });
  expect(config?.sources).toEqual([
    {
      name: "orders",
      path: "drops/orders/**",
      into: "bronze.orders",
      movedFrom: null,
      settleMs: 5_000,
      sameName: "version",
      sameBytes: "skip",
      onLanded: "keep",
      schema: "quarantine",
      declared: [
        { name: "id", type: { kind: "primitive", name: "long" } },
        { name: "amount", type: { kind: "decimal", precision: 10, scale: 2 } },
      ],
      required: ["amount", "id"],
      beforeLanding: {},
      read: {
        format: "csv",
        delimiter: "\t",
        quote: null,
        encoding: null,
        header: null,
        nulls: ["NA"],
        numbers: null,
        dates: null,
        misfits: 0.01,
        sheet: null,
        sheets: null,
        headerRow: null,
        skip: null,
        escapeMark: null,
        comment: null,
        folders: true,
        names: ["id", "amount"],
        table: null,
      },
      partition: ["day(_ingested_at)"],
      schemaImplied: true,
    },
  ]);
});

test("a source without any key is what nobody wrote a line about", () => {
  const { config } = read({ sources: { orders: {} } });
  expect(config?.sources).toEqual([defaultSource("orders", "drops/orders/**")]);
});

test("a source without columns evolves", () => {
  expect(read({ sources: { x: {} } }).config?.sources[0]?.schema).toBe("evolve");
});

test("numbers, durations and sizes are read as people write them", () => {
  const { config } = read({
    batch: { bytes: "64MB" },
    keep: { snapshots: "14d" },
    memory: "1.5GiB",
    threads: 4,
  });
  expect([config?.batch, config?.keep.snapshotsMs, config?.memoryBytes, config?.threads]).toEqual([
    { bytesMax: 64_000_000 },
    14 * 24 * 3_600_000,
    1.5 * 2 ** 30,
    4,
  ]);
});

test("an unknown key names the nearest one", () => {
  expect(issues({ sources: { orders: { fromat: "csv" } } })).toEqual([
    'sources.orders.fromat: unknown key "fromat" (did you mean "format"?)',
  ]);
});

test("an issue points at the key or at the value", () => {
  const found = read({ sorces: {}, timezone: "Mars" }).issues.map((issue) => [
    issue.path,
    issue.at,
  ]);
  expect(found).toEqual([
    [["sorces"], "key"],
    [["timezone"], "value"],
  ]);
});

test("every kind of wrong value is said in words", () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [{ sources: { a: { schema: "freeze" } } }, 'did you mean "fail"?'],
    [{ sources: { a: { settle: 5 } } }, "write 5s or 5ms"],
    [{ sources: { a: { path: "/etc/*" } } }, "relative to the project"],
    [{ sources: { a: { path: "drops/../x" } } }, "cannot hold .."],
    [{ sources: { a: { path: "drops/{a" } } }, "a { has no }"],
    [{ sources: { a: { into: "orders" } } }, "write bronze.orders"],
    [{ sources: { a: { into: "lake.orders" } } }, "the lake's own"],
    [{ sources: { a: { delimiter: "||" } } }, "one character"],
    [{ sources: { a: { columns: { x: "decimel(1,2)" } } } }, 'did you mean "decimal"?'],
    [{ sources: { a: { columns: { x: "decimal(2,5)" } } } }, "scale at most the precision"],
    [{ sources: { a: { columns: { x: "int", X: "int" } } } }, "one column to SQL"],
    [{ sources: { a: { columns: { _file: "text" } } } }, "the lake's own"],
    [{ sources: { a: { columns: { x: "int" }, required: ["y"] } } }, "not one of the declared"],
    [{ sources: { a: { partition: "weekly(x)" } } }, "is not a partition"],
    [{ sources: { a: { partition: "bucket(4" } } }, "quote it"],
    [{ sources: { a: { format: "json", delimiter: ";" } } }, "means nothing for format json"],
    [{ sources: { a: {}, b: { into: "bronze.a" } } }, "both land in bronze.a"],
    [{ sources: { "a/b": {} } }, "cannot name a source"],
    [{ warehouse: "../lake" }, "inside the project"],
    [{ warehouse: "s3://x" }, "local folder"],
    [{ timezone: "Europe/Berlim" }, 'did you mean "Europe/Berlin"?'],
    [{ threads: 0 }, "not between 1"],
    [{ batch: { bytes: "lots" } }, "not a size"],
    [{ layers: { gold: { on_fail: "block" } } }, 'did you mean "fail"?'],
    [{ keep: [] }, "expected keys with values"],
    ["text", "expected keys with values"],
  ];
  for (const [data, words] of wrong) {
    expect([issues(data).join("; "), read(data).config]).toEqual([
      expect.stringContaining(words),
      null,
    ]);
  }
});

test("a setting without effect is a warning, not an error", () => {
  const result = read({ serve: { pg: "127.0.0.1:8276" } });
  expect([result.config === null, result.issues.map((issue) => issue.severity)]).toEqual([
    false,
    ["warning"],
  ]);
});

/** `${body}`, spelled so that nobody takes it for a template. */
function variable(body: string): string {
  return `\${${body}}`;
}

test("variables are substituted in values, with defaults and messages", () => {
  const project = `${variable("NAME")}-${variable("REGION:-eu")}`;
  const data = { project, batch: { bytes: variable("ROWS") } };
  const { config } = read(data, { NAME: "shop", REGION: "", ROWS: "10" });
  expect([config?.project, config?.batch.bytesMax]).toEqual(["shop-eu", 10]);
  expect(issues({ project: variable("NAME:?ask ops") })).toEqual([
    "project: the variable NAME is not set: ask ops " +
      `(set it, put it in .env, or write ${variable("NAME:-default")})`,
  ]);
  expect(read({ project: `$${variable("NAME")}` }).config?.project).toBe(variable("NAME"));
});

test("a variable cannot bring keys or structure", () => {
  const { config } = read({ project: variable("X") }, { X: "{ memory: 1GB }" });
  expect(config?.project).toBe("{ memory: 1GB }");
});

test("the JSON Schema knows the keys that the reader knows", () => {
  const schema = JSON.stringify(
    configSchema(FILE_SOURCES, variableReader(NO_CHOICE, quoteLiteral)),
  );
  const keys = ["before_landing", "header_row", "on_landed", "snapshots", "timezone", "draft-07"];
  expect(keys.filter((key) => !schema.includes(key))).toEqual([]);
});

test("a setting that would do nothing is refused, with what does", () => {
  const data = { keep: { quarantine: "90d" }, batch: { every: "1s", rows: 5 } };
  const found = issues(data);
  expect([found.length, found.every((issue) => issue.includes("unknown key"))]).toEqual([3, true]);
});

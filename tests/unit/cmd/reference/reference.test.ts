/**
 * The reference is complete, says something of everything, and is what the program reads. A message of a failure is
 * what to do: mostly to add one line, then `npm run docs`.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXPLAIN_PAGES } from "../../../../cmd/commands/explain-pages.ts";
import { CODE_PAGES, EXIT } from "../../../../cmd/exit.ts";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession } from "../../../../cmd/open.ts";
import { parseYaml } from "../../../../cmd/project/yaml.ts";
import { COMMAND_WORDS } from "../../../../cmd/reference/command-words.ts";
import { EXIT_MEANINGS, referencePages } from "../../../../cmd/reference/pages.ts";
import {
  configSettings,
  modelSettings,
  type Setting,
  type SettingGroup,
} from "../../../../cmd/reference/settings.ts";
import {
  ADDED_COLUMNS,
  COMMON_COLUMNS,
  INFORMATION_SCHEMA,
  LAKE_TABLES,
  REASONS,
  type TableMeaning,
} from "../../../../cmd/reference/table-meanings.ts";
import { systemColumns } from "../../../../cmd/reference/tables.ts";
import { ALIASES, HELP, spec, WORDS } from "../../../../cmd/tree.ts";
import type { JsonObject } from "../../../../core/base/json.ts";
import { thousands } from "../../../../core/base/quantity.ts";
import { type Issue, isRecord } from "../../../../core/config/shape.ts";
import { sourceReader } from "../../../../core/config/sources.ts";
import { NO_CHOICE, variableReader } from "../../../../core/config/variables.ts";
import { configSchema, readConfig } from "../../../../core/config.ts";
import { FEED, RECORD } from "../../../../core/ingest/feed.ts";
import { QUARANTINE_COLUMNS, QUARANTINE_REASONS } from "../../../../core/ingest/quarantine.ts";
import {
  COLUMNS_MAX,
  FILE_DECODED_BYTES_MAX,
  FILE_ROWS_MAX,
  REJECTS_PER_FILE_MAX,
} from "../../../../core/limits.ts";
import { DELETED_COLUMN, END_COLUMN, START_COLUMN } from "../../../../core/model/feed.ts";
import { modelSchema } from "../../../../core/model/parse.ts";
import {
  BRONZE_COLUMNS,
  RESCUED_COLUMN,
  ROW_COLUMN,
} from "../../../../core/table/system-columns.ts";
import { FORMATS } from "../../../../sql/decode/formats.ts";
import { quoteLiteral } from "../../../../sql/syntax/quote.ts";
import { sourceKinds } from "../../../../storage/sources/kinds.ts";
import { REPOSITORY } from "../../../support/source-tree.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const VARIABLES = variableReader(NO_CHOICE, quoteLiteral);

/** A meaning that could stand anywhere says nothing. */
const GENERIC = /^(the |an? )?(\w+|value|setting|option|name|todo|tbd)\.?$/i;

function says(text: string): boolean {
  return text.trim().length >= 8 && !GENERIC.test(text.trim()) && !/\bTODO|TBD|FIXME\b/.test(text);
}

test("the pages are what npm run docs writes", async () => {
  const stale: string[] = [];
  for (const { file, text } of await referencePages()) {
    const path = `docs/guide/reference/${file}`;
    const found = readOrEmpty(join(REPOSITORY, path));
    if (found !== text) stale.push(`${path} is not up to date: npm run docs`);
  }
  expect(stale).toEqual([]);
});

test("every key of tarn.yaml and of a model has a meaning, what its absence means, and an example", async () => {
  const missing: string[] = [];
  for (const { of, settings } of await allGroups()) {
    for (const { path, meaning, absent, takes, example } of settings) {
      const where = of === null ? path : `${path} (${of})`;
      if (!says(meaning))
        missing.push(`${where}: write in its shape, in core or storage, what it is for`);
      if (!/^[A-Za-z"_{].*[.?!]$/s.test(meaning))
        missing.push(`${where}: its meaning is no sentence`);
      if (absent === "" && !takes.startsWith("names") && takes !== "keys") {
        missing.push(`${where}: end its doc with "Default: …."`);
      }
      if (example === "") {
        missing.push(
          `${where}: add a line to cmd/reference/setting-examples.ts, or examples: to its shape`,
        );
      }
    }
  }
  expect(missing).toEqual([]);
});

test("no key that a schema knows is left out", async () => {
  const listed = new Set((await allGroups()).flatMap(({ settings }) => settings.map(last)));
  const kinds = await sourceKinds("all");
  const schema = configSchema(sourceReader({ formats: FORMATS, kinds }), VARIABLES);
  const missing = [...keysOf(schema), ...keysOf(modelSchema())].filter((key) => !listed.has(key));
  expect(missing).toEqual([]);
});

test("every example of a key is one that the key takes", async () => {
  const kinds = await sourceKinds("all");
  const sources = sourceReader({ formats: FORMATS, kinds });
  const env = new Proxy({}, { get: () => "given" });
  const refused: string[] = [];
  for (const { of, settings } of await configSettings()) {
    for (const setting of settings) {
      const { data, steps } = placed(of, setting);
      const { issues } = readConfig(data, {
        folderName: "shop",
        env,
        sources,
        variables: VARIABLES,
      });
      const own = issues.filter((issue) => isAt(issue, steps) && issue.severity === "error");
      refused.push(...own.map(({ message }) => `${of ?? ""} ${setting.path}: ${message}`));
    }
  }
  expect(refused).toEqual([]);
});

test("every command stands in the help, and every flag and word of it has a meaning", async () => {
  const { commands } = await spec();
  const inHelp = new Set<string>(HELP.flatMap(([, entries]) => entries.map(([name]) => name)));
  const missing: string[] = [];
  for (const { name, description, flags } of commands) {
    if (!inHelp.has(name)) missing.push(`${name}: add a line to HELP in cmd/tree.ts`);
    if (!says(description)) missing.push(`${name}: give it a description`);
    for (const flag of flags) {
      const isSaid = flag.description.trim().length >= 4;
      if (!isSaid) missing.push(`${name} --${flag.name}: give it a description`);
    }
    const words = /^\[?([a-z-]+(?:[|,] ?[a-z-]+)+)/.exec(WORDS[name] ?? "")?.[1]?.split("|") ?? [];
    const known = Object.keys(COMMAND_WORDS[name] ?? {});
    for (const word of words) {
      if (!known.includes(word)) {
        missing.push(`${name} ${word}: add a line to cmd/reference/command-words.ts`);
      }
    }
  }
  for (const name of Object.keys(COMMAND_WORDS)) {
    if (!commands.some((command) => command.name === name)) missing.push(`${name} is no command`);
  }
  for (const name of Object.values(ALIASES)) expect(inHelp).toContain(name);
  expect(missing).toEqual([]);
});

test("every error code and exit code has a page or a meaning, and every page says what to do", () => {
  const ids = new Set(EXPLAIN_PAGES.map(({ id }) => id));
  const missing = Object.entries(CODE_PAGES).flatMap(([code, id]) =>
    ids.has(id) ? [] : [`${code}: add page ${id} to cmd/commands/explain-pages.ts`],
  );
  for (const { id, title, means, todo } of EXPLAIN_PAGES) {
    if (!says(title) || !says(means)) missing.push(`${id}: say what it means`);
    if (todo.length === 0 || !todo.every((line) => line.length >= 8)) {
      missing.push(`${id}: say what to do`);
    }
  }
  for (const name of Object.keys(EXIT)) {
    const meaning = Object.entries(EXIT_MEANINGS).find(([one]) => one === name)?.[1] ?? "";
    if (!says(meaning)) missing.push(`exit code ${name}: add it to EXIT_MEANINGS`);
  }
  expect(missing).toEqual([]);
});

test("what a page says to paste is a command that there is, with flags that it has", async () => {
  const { commands } = await spec();
  const wrong: string[] = [];
  for (const { id, todo } of EXPLAIN_PAGES) {
    for (const line of todo.filter((each) => each.startsWith("$ tarn "))) {
      const [, , name = "", ...words] = line.split(" ");
      const command = commands.find((one) => one.name === name);
      if (command === undefined && name !== "help") wrong.push(`${id}: ${line}: no such command`);
      for (const word of words) {
        const flag = /^--([a-z-]+)/.exec(word)?.[1];
        const isKnown = flag === undefined || command?.flags.some((one) => one.name === flag);
        if (isKnown !== true) wrong.push(`${id}: ${line}: no flag --${flag}`);
      }
      if (/ sql .*["'] *\./.test(line)) wrong.push(`${id}: ${line}: a command of the shell alone`);
    }
  }
  expect(wrong).toEqual([]);
});

test("every column of every system table has a meaning, and no meaning is of nothing", () => {
  const wrong: string[] = [];
  const meanings = new Map<string, TableMeaning>([
    ...Object.entries(LAKE_TABLES).map(([name, table]) => [`lake.${name}`, table] as const),
    ...Object.entries(INFORMATION_SCHEMA).map(
      ([name, table]) => [`information_schema.${name}`, table] as const,
    ),
  ]);
  const columns = systemColumns();
  for (const [name, known] of columns) {
    const table = meanings.get(name);
    if (table === undefined) {
      wrong.push(`${name}: add it to cmd/reference/table-meanings.ts`);
      continue;
    }
    if (!says(table.row)) wrong.push(`${name}: say what a row is`);
    for (const column of known) {
      const text = table.columns[column.name] ?? COMMON_COLUMNS[column.name] ?? "";
      if (text.trim().length < 5) {
        wrong.push(`${name}.${column.name}: add a line to cmd/reference/table-meanings.ts`);
      }
    }
    for (const column of Object.keys(table.columns)) {
      const isThere = known.some((one) => one.name === column);
      if (!isThere) wrong.push(`${name} has no column ${column}: take out its line`);
    }
  }
  for (const name of meanings.keys()) if (!columns.has(name)) wrong.push(`there is no ${name}`);
  expect(wrong).toEqual([]);
});

test("columns that tarn adds, and the reasons of quarantine, are all there are", () => {
  const documented = Object.fromEntries(
    Object.entries(ADDED_COLUMNS).map(([group, { columns }]) => [group, Object.keys(columns)]),
  );
  const names = (columns: readonly { readonly name: string }[]) => columns.map(({ name }) => name);
  expect(documented).toEqual({
    bronze: [...names(BRONZE_COLUMNS), ROW_COLUMN.name, RESCUED_COLUMN.name],
    feed: Object.values(FEED),
    records: Object.values(RECORD),
    versions: [START_COLUMN, END_COLUMN, DELETED_COLUMN.name],
    quarantine: names(QUARANTINE_COLUMNS),
  });
  expect(Object.keys(REASONS).sort()).toEqual([...QUARANTINE_REASONS].sort());
});

test("system tables have the columns that the reference says, and its questions have answers", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "drops/orders/a.csv");
  await mkdir(join(folder.path, "drops/orders"), { recursive: true });
  await writeFile(
    join(folder.path, "tarn.yaml"),
    "sources: { orders: { columns: { id: bigint } } }\n",
  );
  await writeFile(path, "id\n1\ntwo\n");
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
  await using session = await openSession({ folder: folder.path, args: {} }, { engine: "test" });
  const all = { select: [], exclude: [], full: false, models: true, sources: true };
  await buildOf(session, all, { signal: new AbortController().signal, onEvent: () => undefined });
  for (const [name, columns] of systemColumns()) {
    const described = await lakeRows(session, `describe ${name}`);
    const found = described.map((row) => [row.column_name, String(row.column_type).toLowerCase()]);
    expect([name, found]).toEqual([name, columns.map(({ name: column, type }) => [column, type])]);
  }
  const tables = [...Object.values(LAKE_TABLES), ...Object.values(INFORMATION_SCHEMA)];
  for (const { example } of tables) await lakeRows(session, example);
});

test("the README's first screen says the defaults as they are", async () => {
  const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
  const [project, files] = await configSettings();
  const absent = (group: SettingGroup | undefined, path: string): string =>
    group?.settings.find((setting) => setting.path === path)?.absent ?? "";
  const said = [
    `**${absent(project, "keep.snapshots").replace("d", " days")}**`,
    `**${absent(files, "sources.NAME.settle").replace("s", " s")}**`,
    `**${absent(project, "batch.bytes").replace("MiB", " MiB")}**`,
    absent(project, "timezone"),
    `${thousands(FILE_ROWS_MAX)} rows`,
    `${FILE_DECODED_BYTES_MAX / 2 ** 30} GiB a file`,
    `${thousands(COLUMNS_MAX)} columns`,
    `${thousands(REJECTS_PER_FILE_MAX)} rows set aside`,
  ];
  expect(said.filter((text) => !readme.includes(text))).toEqual([]);
});

/** The settings of a model are a group as well. */
async function allGroups(): Promise<readonly SettingGroup[]> {
  const model = { title: "model", of: "model", about: "", settings: modelSettings() };
  return [...(await configSettings()), model];
}

/** A configuration with one setting, and the path that it stands at. */
function placed(
  of: string | null,
  { path, example }: Setting,
): { readonly data: unknown; readonly steps: readonly string[] } {
  const steps = path.split(".").map((step) => (/^[A-Z]+$/.test(step) ? "orders" : step));
  const value = parseYaml(`v: ${example}`).data;
  let data: unknown = isRecord(value) ? value.v : null;
  for (const step of [...steps].reverse()) data = { [step]: data };
  if (isRecord(data) && steps[0] === "environments") {
    return { data: { vars: { region: "north" }, ...data }, steps };
  }
  const kind = of === "landing" ? "kafka" : of;
  const entry = isRecord(data) && isRecord(data.sources) ? data.sources.orders : null;
  if (kind === null || !isRecord(entry)) return { data, steps };
  const extra = kind === "files" ? {} : { kind };
  const beside = steps.at(-1) === "table" ? { format: "debezium" } : {};
  const tables = isRecord(entry.tables) ? entry.tables.orders : undefined;
  const withCursor = isRecord(tables)
    ? { tables: { orders: { cursor: "updated_at", ...tables } } }
    : {};
  return { data: { sources: { orders: { ...extra, ...beside, ...entry, ...withCursor } } }, steps };
}

function isAt({ path }: Issue, steps: readonly string[]): boolean {
  return steps.every((step, index) => path[index] === step);
}

function last({ path }: Setting): string {
  return path.split(".").at(-1) ?? "";
}

/** Names of all properties, wherever a schema has them. */
function keysOf(schema: JsonObject): ReadonlySet<string> {
  const keys = new Set<string>();
  const walk = (value: unknown): void => {
    if (!isRecord(value) && !Array.isArray(value)) return;
    const properties = isRecord(value) ? value.properties : null;
    if (isRecord(properties)) for (const key of Object.keys(properties)) keys.add(key);
    for (const each of Object.values(value)) walk(each);
  };
  walk(schema);
  return keys;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/**
 * Debezium's connectors over PostgreSQL and MariaDB, through a real broker in three forms: the table that each feed
 * comes to is the source's, row for row and typed; dropped as files the same events come to the same tables.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namePartFrom } from "../../core/table/name.ts";
import { askSql, mustRun, programPath, runCommand } from "../crash/program.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { LAST, MARIADB, POSTGRES, renamed, type Table } from "./debezium-tables.ts";
import {
  DATABASES,
  type Database,
  FORMS,
  type Form,
  isThere,
  startWorld,
  type World,
} from "./debezium-world.ts";

setDefaultTimeout(600_000);

const TABLES: Readonly<Record<Database, readonly Table[]>> = { pg: POSTGRES, maria: MARIADB };
const FILE_FORMS = ["wrapped", "plain"] as const;
const WAIT_MS = 120_000;

interface Feed {
  readonly database: Database;
  readonly form: Form;
  /** With its columns as they are called in the lake. */
  readonly table: Table;
  readonly source: Table;
  readonly bronze: string;
  readonly silver: string;
}

test.skipIf(!isThere)(
  "E5: what Debezium tells of two databases comes to their tables",
  async () => {
    await using world = await startWorld(async (postgres, maria) => {
      const db = await postgres.client("shop");
      await db.query("create type mood as enum ('sad', 'ok'); create extension hstore");
      for (const { before } of [...POSTGRES, LAST]) for (const sql of before) await db.query(sql);
      for (const { before } of [...MARIADB, LAST]) await maria.run("shop", ...before);
    });
    await using folder = await tempFolder();
    const feeds = feedsOf(FORMS, streamName);
    writeFileSync(join(folder.path, "tarn.yaml"), streamSources(world));
    await landUntil(
      world,
      folder.path,
      ({ bronze, table }) =>
        table === LAST ? null : `select count(*) > 0 as done from bronze.${bronze}`,
      feeds,
    );
    const db = await world.postgres.client("shop");
    for (const { since } of [...POSTGRES, LAST]) for (const sql of since) await db.query(sql);
    for (const { since } of [...MARIADB, LAST]) await world.maria.run("shop", ...since);
    const last = feedsOf(FORMS, streamName, { pg: [LAST], maria: [LAST] });
    await landUntil(
      world,
      folder.path,
      ({ bronze }) => `select count(*) > 0 as done from bronze.${bronze}`,
      last,
    );
    await mustRun([programPath(), "build"], { cwd: folder.path });
    await expectEqual(world, folder.path, feeds);

    await using files = await tempFolder();
    const dropped = feedsOf(FILE_FORMS, ({ form, table }) => fileName(form, table));
    writeFileSync(join(files.path, "tarn.yaml"), fileSources(dropped));
    for (const form of FILE_FORMS) {
      const dump = join(files.path, `${form}.ndjson`);
      world.dump(form, dump);
      for (const feed of dropped.filter((one) => one.form === form)) {
        const drops = join(files.path, "drops", feed.bronze);
        mkdirSync(drops, { recursive: true });
        cpSync(dump, join(drops, "1.ndjson"));
      }
    }
    await mustRun([programPath(), "build"], { cwd: files.path });
    await expectEqual(world, files.path, dropped);
  },
);

function feedsOf(
  forms: readonly Form[],
  bronzeOf: (feed: Pick<Feed, "database" | "form" | "table">) => string,
  tables: Readonly<Record<Database, readonly Table[]>> = TABLES,
): Feed[] {
  return forms.flatMap((form) =>
    DATABASES.flatMap((database) =>
      tables[database].map((source) => {
        const table = inLake(source, form);
        const name = namePartFrom(`${database}_${form}_${table.name}`);
        return {
          database,
          form,
          source,
          table,
          silver: name,
          bronze: bronzeOf({ database, form, table }),
        };
      }),
    ),
  );
}

/** Avro has no such names; what the lake calls its own columns it calls otherwise. */
function inLake(table: Table, form: Form): Table {
  const nameOf = (name: string): string => {
    const own = name === "_op" ? "source_op" : name;
    return form === "avro" ? own.replace(/[^A-Za-z0-9_]/g, "_") : own;
  };
  return {
    ...table,
    keys: table.keys.map(nameOf),
    columns: table.columns.map((column) => renamed(column, nameOf(column.name))),
  };
}

function streamName({ database, form, table }: Pick<Feed, "database" | "form" | "table">): string {
  const schema = table === LAST || table.name === LAST.name ? SCHEMAS[database] : "";
  const topic = schema === "" ? table.topic : `${schema}.${table.topic}`;
  return `${form}_${namePartFrom(`${database}_${form}.${topic}`)}`;
}

const SCHEMAS: Readonly<Record<Database, string>> = { pg: "public", maria: "shop" };

function fileName(form: Form, { said }: Table): string {
  return `${form}_${namePartFrom(said)}`;
}

function streamSources({ broker, registry }: World): string {
  const sources = FORMS.map((form) => {
    const more = form === "avro" ? `, registry: { url: "${registry.url}" }` : "";
    const brokers = `brokers: ["127.0.0.1:${broker.port}"]`;
    return `  ${form}: { kind: kafka, ${brokers}, topics: ["*_${form}.*"], format: debezium${more} }\n`;
  });
  return `sources:\n${sources.join("")}`;
}

function fileSources(feeds: readonly Feed[]): string {
  const sources = feeds.map(
    ({ bronze, table }) => `  ${bronze}: { format: debezium, table: "${table.said}" }\n`,
  );
  return `sources:\n${sources.join("")}`;
}

async function writeModels(folder: string, feeds: readonly Feed[]): Promise<void> {
  const models = join(folder, "models", "silver");
  mkdirSync(models, { recursive: true });
  for (const feed of feeds) writeFileSync(join(models, `${feed.silver}.sql`), modelOf(feed));
  await mustRun([programPath(), "build"], { cwd: folder });
}

/** Without a schema the model says what texts and numbers stand for. */
function modelOf({ form, table, bronze }: Feed): string {
  const columns = table.columns.map(({ name, plain }) =>
    form === "plain" && plain !== null ? `${plain} as "${name}"` : `"${name}"`,
  );
  return `/* tarn
   kind: cdc
   keys: [${table.keys.map((key) => JSON.stringify(key)).join(", ")}]
   sequence_by: _position
   apply_as_delete: _op = 'd'
   apply_as_truncate: _op = 't'
*/
select ${columns.join(", ")}, _op, _position, _unchanged, _before from bronze.${bronze}
`;
}

/** Lands until each of the questions is answered with yes. */
async function landUntil(
  world: World,
  folder: string,
  question: (feed: Feed) => string | null,
  feeds: readonly Feed[],
): Promise<void> {
  let open = feeds.flatMap((feed) => question(feed) ?? []);
  for (const endMs = Date.now() + WAIT_MS; open.length > 0; ) {
    await world.look();
    // A topic that is not there yet is an error.
    await runCommand([programPath(), "build"], { cwd: folder });
    const left: string[] = [];
    for (const sql of open) {
      const [row] = await askSql(folder, sql).catch(() => []);
      if (row?.done !== true) left.push(sql);
    }
    open = left;
    if (Date.now() > endMs) throw new Error(`it does not come: ${open.join("; ")}`);
  }
}

async function expectEqual(world: World, folder: string, feeds: readonly Feed[]): Promise<void> {
  await writeModels(folder, feeds);
  const have: Record<string, unknown> = {};
  const want: Record<string, unknown> = {};
  for (const feed of feeds) {
    const { silver, table, form, database } = feed;
    const what = `${database} ${form} ${table.name}`;
    const described = `select column_name, column_type from (describe silver.${silver})`;
    const types = (await askSql(folder, described)).map((row) => [
      row.column_name,
      row.column_type,
    ]);
    const lists = table.columns.map(({ name, lake }) => `${lake} as "${name}"`).join(", ");
    const rows = await askSql(folder, `select ${lists} from silver.${silver}`);
    const found = rows.map((row) => table.columns.map(({ name }) => row[name] ?? null));
    const own = types.filter(([name]) => table.columns.some((one) => one.name === name));
    have[what] = { types: own, rows: sorted(found) };
    want[what] = {
      types: table.columns.map(({ name, type }) => [name, type]),
      rows: sorted(await wanted(world, feed)),
    };
  }
  expect(have).toEqual(want);
}

async function wanted({ postgres, maria }: World, { database, source }: Feed) {
  const lists = source.columns.map(({ source }) => source).join(", ");
  const quote = database === "pg" ? '"' : "`";
  const sql = `select ${lists} from ${quote}${source.name}${quote}`;
  return database === "pg" ? await postgres.run("shop", sql) : await maria.run("shop", sql);
}

function sorted(rows: readonly (readonly unknown[])[]): readonly (readonly unknown[])[] {
  return rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

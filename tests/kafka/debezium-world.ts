/** Databases, a broker, a registry and Debezium's connectors, which write each database's changes in three forms. */

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { connectJars, type Properties, startConnect } from "../support/connect.ts";
import { type KafkaBroker, kafkaJars, startKafka } from "../support/kafka.ts";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { registryFiles, startRegistry, type TestRegistry } from "../support/registry.ts";

/** JSON with its schema in each value, JSON alone, Avro by a registry. */
export const FORMS = ["wrapped", "plain", "avro"] as const;
export type Form = (typeof FORMS)[number];

/** Topics of a database are called `pg_wrapped.public.orders`. */
export const DATABASES = ["pg", "maria"] as const;
export type Database = (typeof DATABASES)[number];

export interface World extends AsyncDisposable {
  readonly broker: KafkaBroker;
  readonly registry: TestRegistry;
  readonly postgres: PostgresServer;
  readonly maria: MysqlServer;
  /** Throws where a connector has given up. */
  look(): Promise<void>;
  /** All values of the topics of a form, a line each. */
  dump(form: Form, file: string): void;
}

const LIB = kafkaJars();
const CONNECT = connectJars();
const APP = registryFiles();
const [POSTGRES] = postgresVersions();
const MARIA = mysqlServers().find(({ isMariaDb, isOwn }) => isMariaDb && isOwn);

/** All of it can be started here. */
export const isThere =
  LIB !== null && CONNECT !== null && APP !== null && POSTGRES !== undefined && MARIA !== undefined;

/** `prepare` makes the tables before anybody reads. */
export async function startWorld(
  prepare: (postgres: PostgresServer, maria: MysqlServer) => Promise<void>,
): Promise<World> {
  if (LIB === null || CONNECT === null || APP === null || MARIA === undefined) {
    throw new Error("it is not all there");
  }
  await using stack = new AsyncDisposableStack();
  const broker = stack.use(await startKafka(LIB));
  const registry = stack.use(await startRegistry(APP));
  const postgres = stack.use(await startPostgres(POSTGRES ?? 18));
  const maria = stack.use(await MARIA.start());
  await prepare(postgres, maria);
  const connectors = FORMS.flatMap((form, index) => [
    [`pg_${form}`, { ...ofPostgres(postgres, form), ...converters(form, registry) }] as const,
    [
      `maria_${form}`,
      { ...ofMaria(maria, form, index, broker.folder), ...converters(form, registry) },
    ] as const,
  ]);
  const connect = stack.use(
    await startConnect(CONNECT, broker.port, Object.fromEntries(connectors)),
  );
  const held = stack.move();
  return {
    ...{ broker, registry, postgres, maria },
    look: async () => {
      for (const { name, state } of await connect.states()) {
        if (state.startsWith("FAILED")) throw new Error(`${name}: ${state}`);
      }
    },
    dump: (form, file) => dump(LIB, broker.port, form, file),
    [Symbol.asyncDispose]: async () => await held.disposeAsync(),
  };
}

function ofPostgres({ port }: PostgresServer, form: Form): Properties {
  return {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    ...{ "database.hostname": "127.0.0.1", "database.port": port, "database.dbname": "shop" },
    ...{ "database.user": "postgres", "database.password": "none", "plugin.name": "pgoutput" },
    ...{ "slot.name": form, "publication.name": form, "schema.include.list": "public" },
    ...ofAll(`pg_${form}`, form),
  };
}

function ofMaria(
  { target: { port } }: MysqlServer,
  form: Form,
  index: number,
  folder: string,
): Properties {
  return {
    "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
    ...{ "database.hostname": "127.0.0.1", "database.port": port, "database.user": "root" },
    ...{
      "database.password": "",
      "database.server.id": 100 + index,
      "database.ssl.mode": "disable",
    },
    "database.include.list": "shop",
    "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
    "schema.history.internal.file.filename": path.join(folder, `history-${form}`),
    "bigint.unsigned.handling.mode": form === "plain" ? "long" : "precise",
    ...ofAll(`maria_${form}`, form),
  };
}

/** Without a schema a decimal is told as a text, or nobody could read it. */
function ofAll(prefix: string, form: Form): Properties {
  return {
    "topic.prefix": prefix,
    "skipped.operations": "none",
    ...(form === "plain" ? { "decimal.handling.mode": "string" } : {}),
    ...(form === "avro"
      ? { "schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro" }
      : {}),
  };
}

function converters(form: Form, { port }: TestRegistry): Properties {
  const avro = {
    "": "io.apicurio.registry.utils.converter.AvroConverter",
    ".apicurio.registry.url": `http://127.0.0.1:${port}/apis/registry/v2`,
    ".apicurio.registry.auto-register": true,
    ".apicurio.registry.find-latest": true,
    ".apicurio.registry.as-confluent": true,
    ".apicurio.registry.headers.enabled": false,
    ".apicurio.registry.use-id": "contentId",
  };
  const json = {
    "": "org.apache.kafka.connect.json.JsonConverter",
    ".schemas.enable": form === "wrapped",
  };
  const settings = form === "avro" ? avro : json;
  return Object.fromEntries(
    ["key", "value"].flatMap((part) =>
      Object.entries(settings).map(([key, value]) => [`${part}.converter${key}`, value]),
    ),
  );
}

/** By Kafka's own consumer. */
function dump(lib: string, port: number, form: Form, file: string): void {
  const out = fs.openSync(file, "w");
  const words = [
    ...["-Xmx256m", "-cp", path.join(lib, "*"), "org.apache.kafka.tools.consumer.ConsoleConsumer"],
    ...["--bootstrap-server", `127.0.0.1:${port}`, "--include", `.*_${form}\\..*`],
    ...["--from-beginning", "--timeout-ms", "8000"],
  ];
  const { status } = spawnSync("java", words, { stdio: ["ignore", out, "ignore"] });
  fs.closeSync(out);
  if (status !== 0) throw new Error(`the consumer ended with ${status}`);
}

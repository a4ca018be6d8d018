/** What other engines are given to work on the lake through its REST catalog. */

import { join, resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { DEFAULT_ADDRESS } from "../../core/config.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { validConfig } from "./config.ts";

export interface Connection {
  readonly uri: string;
  /** Holds what clients are given; made when `up` first listens. */
  readonly tokenFile: string;
  /** False where `up` does not listen, as tarn.yaml is. */
  readonly isServed: boolean;
}

type Settings = (connection: Connection) => readonly string[];

/** Each as it is pasted; the token stays in its file. The versions that were tried: docs/guide/rest-catalog.md. */
const SETTINGS: Readonly<Record<string, Settings>> = {
  spark: ({ uri, tokenFile }) => [
    "spark-sql --packages org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0 \\",
    "  --conf spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions \\",
    "  --conf spark.sql.catalog.tarn=org.apache.iceberg.spark.SparkCatalog \\",
    "  --conf spark.sql.catalog.tarn.type=rest \\",
    `  --conf spark.sql.catalog.tarn.uri=${uri} \\`,
    `  --conf spark.sql.catalog.tarn.token="$(cat ${quoted(tokenFile)})"`,
  ],
  pyiceberg: ({ uri, tokenFile }) => [
    "from pyiceberg.catalog import load_catalog",
    "",
    `token = open(${JSON.stringify(tokenFile)}).read().strip()`,
    `catalog = load_catalog("tarn", type="rest", uri="${uri}", token=token)`,
    "print(catalog.list_namespaces())",
  ],
  duckdb: ({ uri, tokenFile }) => [
    `TOKEN="$(cat ${quoted(tokenFile)})"`,
    'duckdb -cmd "install avro; install httpfs; install iceberg; load iceberg; \\',
    `  attach 'lake' as tarn (type iceberg, endpoint ${quoteLiteral(uri)}, token '$TOKEN')"`,
  ],
};

export const ENGINES = Object.keys(SETTINGS);

/** Of the project at or above a folder. Throws `config` where nobody can say the address. */
export async function connectionOf(folder: string): Promise<Connection> {
  const { root, config } = await validConfig(resolve(folder));
  const { http } = config.serve;
  const isPushed = config.streams.some(({ kind }) => kind === "push");
  const address = (http ?? DEFAULT_ADDRESS).replace(/^(?:0\.0\.0\.0|\[::\])(?=:)/, "127.0.0.1");
  if (address.endsWith(":0")) {
    throw new LakeError("config", `serve.http is ${address}: the port is another one each time`, {
      hint: `name one: serve: { http: ${DEFAULT_ADDRESS} }`,
    });
  }
  return {
    uri: `http://${address}/iceberg`,
    tokenFile: join(resolve(root, config.warehouse), "http.token"),
    isServed: http !== null || isPushed,
  };
}

/** Lines to paste. Throws `usage` for an engine that was not tried. */
export function settingsFor(engine: string, connection: Connection): readonly string[] {
  const settings = Object.entries(SETTINGS).find(([name]) => name === engine)?.[1];
  if (settings !== undefined) return settings(connection);
  throw new LakeError("usage", `connect knows no "${engine}"`, {
    hint: `one of ${ENGINES.join(", ")}; others take uri, token and type rest alike`,
  });
}

/** One word to a shell, inside of double quotes. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}

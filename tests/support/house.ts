/** The tables behind the house rules: directions, doors, what is banned where, and what starts by itself. */

/** Which folders a folder may import. Tests, benches and examples may import anything. */
export const DIRECTION: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  storage: ["core", "storage"],
  sql: ["core", "sql"],
  cmd: ["cmd", "core", "storage", "sql"],
};

/** What every front asks: data in, data out. */
export const USE_CASES = "cmd/lake/";

/** The fronts: they read words, ask a use-case, and print. */
export const FRONTS = [
  "cmd/command.ts",
  "cmd/commands/",
  "cmd/exit.ts",
  "cmd/render/",
  "cmd/script/",
  "cmd/serve/",
  "cmd/shell/",
  "cmd/tree.ts",
] as const;

/** The doors of the given packages. DESIGN, "The house". A pattern is matched from the start of the path. */
export const DOORS: Readonly<Record<string, readonly string[]>> = {
  citty: ["cmd/"],
  chokidar: ["storage/files/watch.ts"],
  hyparquet: ["storage/parquet/footer.ts", "sql/decode/parquet/"],
  "apache-arrow": [
    "storage/parquet/columns.ts",
    "storage/parquet/write.ts",
    "storage/steps/",
    "cmd/format/arrow.ts",
    "cmd/step-host.ts",
  ],
  "parquet-wasm": ["storage/parquet/"],
  "@duckdb/node-api": ["sql/"],
  pg: ["storage/sources/postgres/connection.ts"],
  protobufjs: ["sql/decode/registry/proto-schema.ts"],
  yaml: ["cmd/project/yaml.ts"],
  "@huggingface/jinja": ["cmd/project/dbt/jinja/syntax.ts"],
  "bun:sqlite": ["storage/"],
  "bun:ffi": ["storage/disk/", "sql/worker/server.ts"],
};

/** What is banned where, and what to use in its place. */
export const BANNED: readonly {
  readonly pattern: RegExp;
  readonly instead: string;
  readonly in: readonly string[];
  /** Edges: a worker's stopwatch and folder names, and what a process starts with. */
  readonly except: readonly string[];
}[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/,
    instead: "take the time from the Clock port",
    in: ["core", "storage", "sql"],
    except: ["sql/worker/worker.ts"],
  },
  {
    pattern: /\bMath\.random\b|\brandomUUID(?:v7)?\b|\bgetRandomValues\b/,
    instead: "take it from the Random port",
    in: ["core", "storage", "sql"],
    except: ["sql/duckdb/native-unpack.ts", "sql/worker/worker.ts"],
  },
  {
    pattern: /\b(?:setTimeout|setInterval|setImmediate)\s*\(|\bBun\.sleep/,
    instead: "take it from the Clock port",
    in: ["core", "storage"],
    // A turn of the event loop is no time.
    except: ["storage/files/watch.ts", "storage/files/claim.ts"],
  },
  {
    pattern: /\bprocess\.env\b|\bBun\.env\b/,
    instead: "cmd/ reads the environment and hands it down",
    in: ["core", "storage", "sql"],
    except: ["sql/duckdb/native.ts"],
  },
  {
    pattern: /\bconsole\.|\bprocess\.std(?:out|err)\b/,
    instead: "return it, and let cmd/ print it",
    in: ["core", "storage", "sql"],
    except: ["sql/shell/"],
  },
  {
    pattern: /\bJSON\.parse\(/,
    instead: "parseJson of core/base/json.ts keeps 64-bit numbers",
    in: ["core", "storage"],
    except: ["core/base/json.ts", "storage/avro/values.ts"],
  },
  {
    pattern: /\.localeCompare\(/,
    instead: "compareCodePoints of core/base/order.ts is what formats mean by order",
    in: ["core", "storage", "sql"],
    except: [],
  },
  {
    pattern: /\bprocess\.|\bBun\.|\bfetch\(|\bglobalThis\b/,
    instead: "core is pure: add it to a port in core/ports.ts",
    in: ["core"],
    except: [],
  },
  {
    pattern: /\bBun\.sleep|\bsetTimeout\(|\b(?:mock|spyOn)\(|\bmock\.module\b/,
    instead: "tests wait for a condition, and use simulated ports",
    in: ["tests/unit", "tests/property", "tests/sim", "tests/golden"],
    except: [],
  },
];

/** Files that something other than an import starts. */
export const ENTRIES = [
  "cmd/main.ts",
  "cmd/build.ts",
  "cmd/bun.mjs",
  "cmd/reference/write.ts",
  "examples/shop/start.ts",
  "examples/visits/start.ts",
];

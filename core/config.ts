/** The configuration of a project: plain data from tarn.yaml, validated into `LakeConfig`, and its JSON Schema. */

import { must } from "./base/assert.ts";
import type { JsonObject } from "./base/json.ts";
import { nearestWord } from "./base/suggest.ts";
import {
  LOOKUP_SECRETS,
  LOOKUPS,
  type LookupConfig,
  type LookupValues,
  lookupConfigs,
} from "./config/lookups.ts";
import {
  refuseMisplaced,
  SECRET_MARK,
  type SecretConfig,
  secretNameFault,
} from "./config/secret.ts";
import type { SeedSettings, SeedValues } from "./config/seeds.ts";
import {
  below,
  type Cursor,
  duration,
  type Issue,
  integer,
  isRecord,
  list,
  mapOf,
  misfitShare,
  nullable,
  object,
  oneOf,
  optional,
  type Path,
  percentShare,
  report,
  type Shape,
  size,
  text,
} from "./config/shape.ts";
import type { SourceEntry, SourceReader } from "./config/sources.ts";
import type { Declared, EnvironmentValues, VariableReader } from "./config/variables.ts";
import type { FileSourceConfig } from "./ingest/contract.ts";
import type { StreamConfig } from "./ingest/source-kind.ts";
import {
  BATCH_BYTES_MAX,
  COMPACT_STEP_BYTES,
  COMPACT_TARGET_BYTES,
  MISFITS_SHARE,
} from "./limits.ts";
import type { ViolationAction } from "./model/model.ts";
import type { Variables } from "./model/variables.ts";
import { isNamePart } from "./table/name.ts";
import type { UpkeepRules } from "./table/upkeep.ts";

export interface LakeConfig {
  readonly project: string;
  /** Folder of the lake, relative to the project. */
  readonly warehouse: string;
  /** IANA name; zoneless times and `current_date` are in it. */
  readonly timezone: string;
  readonly sources: readonly FileSourceConfig[];
  /** What is said of files below seeds/, by the names of their tables. */
  readonly seeds: ReadonlyMap<string, SeedSettings>;
  /** Values that SQL names, as the chosen environment has them. */
  readonly variables: Variables;
  /** Sources of other kinds. */
  readonly streams: readonly StreamConfig[];
  /** Whom lookups ask, by name. */
  readonly lookups: ReadonlyMap<string, LookupConfig>;
  /** Where secrets come from that were not stored by `tarn secret set`, by their names. */
  readonly secrets: ReadonlyMap<string, SecretConfig>;
  /** Per layer, only what tarn.yaml writes. DESIGN, Settled. */
  readonly layers: ReadonlyMap<string, LayerConfig>;
  readonly keep: KeepConfig;
  readonly batch: BatchConfig;
  /** The share of a column's values that do not make it text, where its source does not say. */
  readonly misfits: number;
  /** Budget for all workers together; null is half of the machine's. */
  readonly memoryBytes: number | null;
  readonly threads: number | null;
  readonly up: { readonly logFormat: "text" | "json" };
  readonly reconcile: ReconcileConfig;
  /** What `up` does for its tables by itself. */
  readonly maintenance: UpkeepRules;
  readonly serve: {
    readonly http: string | null;
    readonly pg: string | null;
    readonly places: "lake" | "anywhere";
  };
}

export interface LayerConfig {
  readonly onFail: ViolationAction | null;
}

export interface KeepConfig {
  /** Age up to which snapshots are kept (thinned on the way). */
  readonly snapshotsMs: number;
  /** How far behind a model may be before it loses its place and runs full. */
  readonly lagMs: number;
}

export interface BatchConfig {
  readonly bytesMax: number;
}

export interface ReconcileConfig {
  /** How often `up` compares; null: only when it is asked to. */
  readonly everyMs: number | null;
  /** The share of a table's rows that may differ before it is an alarm. */
  readonly threshold: number;
}

export interface ConfigResult {
  /** Null when an issue is an error. */
  readonly config: LakeConfig | null;
  readonly issues: readonly Issue[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the lake lies in a project that does not say. */
export const DEFAULT_WAREHOUSE = "./warehouse";

const DAY_MS = 24 * 3_600_000;
const THREADS_MAX = 1_024;
const ON_FAIL = ["warn", "drop", "fail", "quarantine"] as const;

const NOWHERE: Cursor = { path: [], issues: [] };

const LAYER = object({
  on_fail: optional(
    nullable(oneOf(ON_FAIL, { block: "fail", abort: "fail", reject: "quarantine" })),
    null,
    "What a violated test of a model does unless it says: warn, drop the row, fail the run, or quarantine the row. " +
      "Default: warn.",
  ),
});

const KEEP = object(
  {
    snapshots: optional(duration(), 14 * DAY_MS, "How long past snapshots can be read; tags stay."),
    lag: optional(duration(), 7 * DAY_MS, "How far a model may fall behind before it runs full."),
  },
  {
    quarantine: "rows that were set aside are kept, closed ones too: take the key out",
  },
);

const BATCH = object(
  {
    bytes: optional(size(), BATCH_BYTES_MAX, "Bytes of source files in one batch at most."),
  },
  {
    every: "a batch takes what has settled; to wait longer, set settle: on the source",
    rows: "a batch is bounded by its bytes: set bytes: in its place",
  },
);

const SECRET_MS = 10_000;
const NO_FILE: string | null = null;
const NO_COMMAND: readonly string[] | null = null;

const SECRET = object({
  file: optional(
    nullable(text({ examples: ["/run/secrets/shop"] })),
    NO_FILE,
    "The file that holds it; nobody but its owner may read it.",
  ),
  exec: optional(
    nullable(list(text({ examples: ["pass", "show", "shop"] }))),
    NO_COMMAND,
    "A program with its arguments that prints it; no shell reads them.",
  ),
  timeout: optional(duration(), SECRET_MS, "How long the program may take."),
});

const UP = object({
  log_format: optional(oneOf(["text", "json"]), "text", "How `tarn up` writes its log."),
});

const RECONCILE = object({
  every: optional(
    nullable(duration()),
    null,
    "How often `tarn up` compares what was delivered with its sources. Default: only `tarn reconcile` does.",
  ),
  threshold: optional(
    text({ check: checkPercent, examples: ["0.1%", "0%"] }),
    "0.1%",
    "Per cent of a table's rows that may differ before it is an alarm.",
  ),
});

const MAINTENANCE = object({
  when: optional(
    oneOf(["idle", "always", "never"], { off: "never", none: "never" }),
    "idle",
    "When `tarn up` makes small files one: while nothing lands, always, or never.",
  ),
  target_file_size: optional(
    size(),
    COMPACT_TARGET_BYTES,
    "About how large a data file becomes; write.target-file-size-bytes of a table comes first.",
  ),
  step: optional(
    size(),
    COMPACT_STEP_BYTES,
    "Bytes of files that one step of `tarn up` reads; runs of models wait for it.",
  ),
});

/** But for sources: `configShape` is told how they are read. */
const KEYS = {
  project: optional(text({}), "", "Name of the project. Default: the folder's name."),
  warehouse: optional(
    text({ check: checkWarehouse, examples: ["./warehouse"] }),
    DEFAULT_WAREHOUSE,
    "Folder of the lake, relative to the project: Iceberg tables and their catalog.",
  ),
  timezone: optional(
    text({ check: checkTimezone, examples: ["UTC", "Europe/Berlin"] }),
    "UTC",
    "IANA time zone of zoneless times, of current_date and of what is printed.",
  ),
  layers: optional(
    mapOf(LAYER, checkLayerName),
    new Map<string, LayerValues>(),
    "Defaults for the models of a layer.",
  ),
  keep: optional(
    KEEP,
    must(KEEP.read({}, NOWHERE), "every key of keep has a default"),
    "How long things are kept.",
  ),
  batch: optional(
    BATCH,
    must(BATCH.read({}, NOWHERE), "every key of batch has a default"),
    "How much one batch takes.",
  ),
  misfits: optional(
    misfitShare(),
    MISFITS_SHARE,
    "The share of a column's values that are set aside where all others are of one type, and do not make it text; " +
      "counted by file. off: none.",
  ),
  memory: optional(
    nullable(size()),
    null,
    "Memory for all workers. Default: half of the machine's.",
  ),
  threads: optional(
    nullable(integer({ min: 1, max: THREADS_MAX })),
    null,
    "Threads of the SQL engine. Default: one per processor.",
  ),
  lookups: optional(
    LOOKUPS,
    new Map<string, LookupValues>(),
    "Whom models of kind lookup ask, by the names that from: has for them.",
  ),
  secrets: optional(
    mapOf(SECRET, secretNameFault),
    new Map<string, SecretValues>(),
    `Secrets that come from a file or a program, by the names that \${secret:NAME} has for them.`,
  ),
  up: optional(
    UP,
    must(UP.read({}, NOWHERE), "every key of up has a default"),
    "Settings of `tarn up`.",
  ),
  reconcile: optional(
    RECONCILE,
    must(RECONCILE.read({}, NOWHERE), "every key of reconcile has a default"),
    "Comparing what was delivered with what there is.",
  ),
  maintenance: optional(
    MAINTENANCE,
    must(MAINTENANCE.read({}, NOWHERE), "every key of maintenance has a default"),
    "How tables are kept fast.",
  ),
  serve: optional(
    object({
      http: optional(
        nullable(text({})),
        null,
        "Address for HTTP: the Iceberg REST catalog at /iceberg, and sources that are pushed to. " +
          "Default: 127.0.0.1:8276, where a source is pushed to.",
      ),
      pg: optional(
        nullable(text({})),
        null,
        "Address for the Postgres protocol, which this version does not serve.",
      ),
      places: optional(
        oneOf(["lake", "anywhere"]),
        "lake",
        "Where tables of other engines may lie: below the warehouse, or wherever these say. What lies elsewhere is " +
          "read by them alone.",
      ),
    }),
    { http: null, pg: null, places: "lake" as const },
    "Addresses to serve on.",
  ),
};

/** Where `up` listens unless `serve.http` says otherwise. */
export const DEFAULT_ADDRESS = "127.0.0.1:8276";

const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;
const BODY = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])([\s\S]*))?$/;

export interface ConfigOptions {
  /** Names a project that does not name itself. */
  readonly folderName: string;
  /** What `${VAR}` sees. */
  readonly env: Environment;
  /** How `sources:` is read; null where the data has none. */
  readonly sources: SourceReader | null;
  /** How `vars:` and `environments:` are read; absent where the data has none. */
  readonly variables?: VariableReader | undefined;
}

/**
 * Validates plain data (of tarn.yaml, or `{}` for a project without one). Every issue carries its path, so that the
 * caller can point at the text.
 */
export function readConfig(data: unknown, options: ConfigOptions): ConfigResult {
  const issues: Issue[] = [];
  const cursor: Cursor = { path: [], issues };
  const reader = options.sources;
  const substituted = substitute(data ?? {}, options.env, issues);
  refuseMisplaced(substituted, (kind) => reader?.secretKeys(kind) ?? [], LOOKUP_SECRETS, cursor);
  const values = configShape(reader, options.variables).read(substituted, cursor);
  if (values === undefined) return { config: null, issues };
  checkSecrets(values.secrets, below(cursor, "secrets"));
  const read = reader?.configs(values.sources, below(cursor, "sources"));
  const inSeeds = below(cursor, "seeds");
  const seeds = [...values.seeds].flatMap(([name, entry]) => {
    const seed = reader?.seed(name, entry, below(inSeeds, name));
    return seed === undefined ? [] : [[name, seed] as const];
  });
  const { vars, environments } = values;
  const variables = options.variables?.resolve(vars, environments, cursor) ?? new Map();
  const made = { ...(read ?? { sources: [], streams: [] }), seeds: new Map(seeds), variables };
  warnUnserved(values, cursor);
  const failed = issues.some((issue) => issue.severity === "error");
  return { config: failed ? null : assemble(values, made, options.folderName), issues };
}

/** JSON Schema (draft-07) of tarn.yaml, for editors; made from the same description that validates. */
export function configSchema(sources: SourceReader, variables: VariableReader): JsonObject {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "tarn.yaml",
    ...configShape(sources, variables).schema,
  };
}

/**
 * Plain data with its texts substituted. Only values change, never keys, and only after parsing, so a variable cannot
 * bring structure. As in a shell, `:-` also stands in for an empty variable; `$${` is a literal `${`.
 */
export function substitute(value: unknown, env: Environment, issues: Issue[]): unknown {
  return walk(value, [], (text, path) => substituteText(text, path, env, issues));
}

type SecretValues = NonNullable<ReturnType<typeof SECRET.read>>;
type LayerValues = NonNullable<ReturnType<typeof LAYER.read>>;
type ConfigValues = NonNullable<ReturnType<ReturnType<typeof configShape>["read"]>>;

function configShape(sources: SourceReader | null, variables?: VariableReader) {
  return object({
    ...KEYS,
    vars: optional(
      variables?.vars ?? nothingRead<ReadonlyMap<string, Declared>>(),
      new Map<string, Declared>(),
      "Values that SQL of the project names as $NAME, each with its type.",
    ),
    environments: optional(
      variables?.environments ?? nothingRead<ReadonlyMap<string, EnvironmentValues>>(),
      new Map<string, EnvironmentValues>(),
      "Other values of variables, by the name that --env or TARN_ENV chooses.",
    ),
    sources: optional(
      mapOf(sources?.shape ?? nothingRead<SourceEntry>(), checkSourceName),
      new Map<string, SourceEntry>(),
      "Where rows come from, by name. Other folders under drops/ are sources as well.",
    ),
    seeds: optional(
      mapOf(sources?.seedShape ?? nothingRead<SeedValues>(), checkSeedName),
      new Map<string, SeedValues>(),
      "What is said of small tables that are files of the project: seeds/NAME.csv is seeds.NAME.",
    ),
  });
}

/** Stands where nobody reads sources: data without any. */
function nothingRead<T>(): Shape<T> {
  return {
    schema: {},
    read: (_, cursor) => report(cursor, "no source is read here"),
    spell: () => ({}),
  };
}

function assemble(
  values: ConfigValues,
  made: Pick<LakeConfig, "sources" | "streams" | "seeds" | "variables">,
  folderName: string,
): LakeConfig {
  const { sources, streams, seeds, variables } = made;
  const layers = [...values.layers].map(
    ([name, layer]) => [name, { onFail: layer.on_fail }] as const,
  );
  return {
    project: values.project === "" ? folderName : values.project,
    warehouse: values.warehouse.replace(/^\.\//, "").replace(/\/+$/, ""),
    timezone: values.timezone,
    sources: sources.map((source) => withMisfits(source, values.misfits)),
    seeds: new Map([...seeds].map(([name, seed]) => [name, withMisfits(seed, values.misfits)])),
    streams,
    variables,
    lookups: lookupConfigs(values.lookups),
    secrets: new Map(
      [...values.secrets].map(([name, { file, exec, timeout: timeoutMs }]) => [
        name,
        { file, exec, timeoutMs },
      ]),
    ),
    layers: new Map(layers),
    keep: {
      snapshotsMs: values.keep.snapshots,
      lagMs: values.keep.lag,
    },
    batch: {
      bytesMax: values.batch.bytes,
    },
    misfits: values.misfits,
    memoryBytes: values.memory,
    threads: values.threads,
    up: { logFormat: values.up.log_format },
    reconcile: {
      everyMs: values.reconcile.every,
      threshold: percentShare(values.reconcile.threshold) ?? 0,
    },
    maintenance: {
      when: values.maintenance.when,
      targetBytes: values.maintenance.target_file_size,
      stepBytes: values.maintenance.step,
    },
    serve: values.serve,
  };
}

/** What the project says holds for a source that says nothing; a change feed says its types itself. */
function withMisfits<S extends Partial<FileSourceConfig>>(source: S, share: number): S {
  const { read } = source;
  return read === undefined || read.misfits !== undefined
    ? source
    : { ...source, read: { ...read, misfits: share } };
}

function checkPercent(text: string): string | null {
  return percentShare(text) === null ? `"${text}" is no per cent from 0 to 100` : null;
}

/** A secret comes from one place. */
function checkSecrets(secrets: ReadonlyMap<string, SecretValues>, cursor: Cursor): void {
  for (const [name, { file, exec }] of secrets) {
    if ((file === null) !== (exec === null) && exec?.length !== 0) continue;
    const message = `the secret ${name} comes from a file or from a program`;
    report(below(cursor, name), message, "exec: [pass, show, shop], or file: /run/secrets/shop");
  }
}

function warnUnserved(values: ConfigValues, cursor: Cursor): void {
  if (values.serve.pg === null) return;
  const path = below(below(cursor, "serve"), "pg").path;
  const message = "serve.pg has no effect in this version";
  cursor.issues.push({ path, at: "key", severity: "warning", message, hint: null });
}

function checkWarehouse(path: string): string | null {
  if (path.includes("://")) return "the warehouse is a local folder in this version";
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (path.startsWith("/") || parts.includes("..")) {
    return "the warehouse is a folder inside the project, such as ./warehouse";
  }
  if (parts.length === 0) return "the warehouse is a folder of its own, such as ./warehouse";
  const isTaken = ["drops", "models", "seeds", "macros", "tests", ".tarn"].includes(parts[0] ?? "");
  return isTaken ? `the warehouse cannot be inside ${parts[0]}/` : null;
}

function checkTimezone(name: string): string | null {
  if (/^[A-Za-z][A-Za-z0-9_+/-]*$/.test(name) && isTimezone(name)) return null;
  const near = nearestWord(name, [...Intl.supportedValuesOf("timeZone"), "UTC"]);
  const hint =
    near === null ? "write an IANA name such as Europe/Berlin" : `did you mean "${near}"?`;
  return `"${name}" is not a time zone: ${hint}`;
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch (thrown) {
    if (thrown instanceof RangeError) return false;
    throw thrown;
  }
}

function checkSourceName(name: string): string | null {
  if (!isNamePart(name)) return `"${name}" cannot name a source: use letters, digits and _`;
  return null;
}

function checkSeedName(name: string): string | null {
  if (isNamePart(name) && name === name.toLowerCase()) return null;
  return `"${name}" cannot name a seed: use lower case letters, digits and _`;
}

function checkLayerName(name: string): string | null {
  return isNamePart(name) ? null : `"${name}" cannot name a layer: use letters, digits and _`;
}

function walk(value: unknown, path: Path, replace: (text: string, path: Path) => string): unknown {
  if (typeof value === "string") return value.includes("${") ? replace(value, path) : value;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return items.map((item, index) => walk(item, [...path, index], replace));
  }
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key], replace)]),
  );
}

function substituteText(text: string, path: Path, env: Environment, issues: Issue[]): string {
  const wrong = (message: string, hint: string): string => {
    issues.push({ path, at: "value", severity: "error", message, hint });
    return "";
  };
  if (text.includes(`$${SECRET_MARK}`)) {
    return wrong(`a text that holds ${SECRET_MARK} cannot be written here`, "take out the $");
  }
  return text.replace(REFERENCE, (whole, body: string | undefined) => {
    if (body === undefined) return "${";
    if (whole.startsWith(SECRET_MARK)) {
      const fault = secretNameFault(whole.slice(SECRET_MARK.length, -1));
      return fault === null ? whole : wrong(fault, `\${secret:shop_password}`);
    }
    const [, name, operator, word] = BODY.exec(body) ?? [];
    if (name === undefined) {
      return wrong(
        `${whole} is not a variable`,
        `write \${NAME}, \${NAME:-default} or $\${ for a literal \${`,
      );
    }
    const given = env[name];
    const isSet = given !== undefined && (given !== "" || !operator?.startsWith(":"));
    if (isSet && given.includes(SECRET_MARK)) {
      return wrong(`the variable ${name} names a secret`, "name the secret in tarn.yaml itself");
    }
    if (isSet) return given;
    if (operator?.endsWith("-")) return word ?? "";
    const said = operator?.endsWith("?") && word !== "" ? `: ${word}` : "";
    return wrong(
      `the variable ${name} is not set${said}`,
      `set it, put it in .env, or write \${${name}:-default}`,
    );
  });
}

/** What tools around dbt read of a project: `manifest.json` (v12) and `run_results.json` (v6), made of the lake. */

import { LakeError } from "../../core/base/errors.ts";
import { isRecord } from "../../core/config/shape.ts";
import type { RunRecord } from "../../core/model/run-store.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { type DbtTest, loadDataTests } from "../project/dbt/data-tests.ts";
import { plainFrom } from "../project/dbt/jinja/values.ts";
import type { DbtProject } from "../project/dbt/load.ts";
import type { DbtNode } from "../project/dbt/node.ts";
import { type Entry, nameOf } from "../project/dbt/properties.ts";
import { DATABASE, type Relation } from "../project/dbt/relation.ts";
import type { Translated } from "../project/dbt/translate.ts";
import { VERSION } from "../version.ts";

type Json = Readonly<Record<string, unknown>>;

export interface Artifacts {
  readonly manifest: Json;
  readonly runResults: Json;
}

const SCHEMAS = "https://schemas.getdbt.com/dbt";
/** The version of dbt whose shapes these are. */
const DBT_VERSION = "1.10.0";

/** Throws `usage` where the project is none of dbt. */
export async function artifactsOf(session: Session): Promise<Artifacts> {
  const { dbt } = session.project;
  if (dbt === undefined) {
    throw new LakeError("usage", "this is no dbt project: there is no dbt_project.yml", {
      hint: "lake.models, lake.runs and tarn plan --format json say the same of other projects",
    });
  }
  const now = new Date(session.ports.clock.nowMs()).toISOString();
  const tests = loadDataTests(dbt).tests;
  const runs = await session.catalog.runs.latest();
  return {
    manifest: manifestOf(dbt, tests, now),
    runResults: resultsOf(dbt, runs, now),
  };
}

function metadata(kind: string, now: string): Json {
  return {
    dbt_schema_version: `${SCHEMAS}/${kind}.json`,
    dbt_version: DBT_VERSION,
    generated_at: now,
    invocation_id: null,
    env: {},
  };
}

function manifestOf(dbt: DbtProject, tests: readonly DbtTest[], now: string): Json {
  const [own] = dbt.packages;
  const nodes: Record<string, Json> = {};
  const parents: Record<string, readonly string[]> = {};
  for (const seed of dbt.seeds) {
    nodes[seed.id] = { ...nodeOf(seed, null), resource_type: "seed", root_path: null };
    parents[seed.id] = [];
  }
  for (const one of dbt.translated) {
    nodes[one.node.id] = modelNode(one);
    parents[one.node.id] = [...one.reads];
  }
  for (const one of tests) {
    nodes[one.id] = testNode(one, own?.name ?? "");
    parents[one.id] = one.reads;
  }
  const sources = Object.fromEntries(
    [...dbt.sources].map(([key, relation]) => {
      const id = `source.${own?.name}.${key}`;
      parents[id] = [];
      return [id, sourceNode(dbt, key, relation, id)];
    }),
  );
  const exposures = Object.fromEntries(
    dbt.properties.exposures.map((entry) => {
      const id = `exposure.${entry.package.name}.${nameOf(entry)}`;
      const made = exposureNode(dbt, entry, id);
      parents[id] = made.depends_on.nodes;
      return [id, made];
    }),
  );
  return {
    metadata: {
      ...metadata("manifest/v12", now),
      project_name: own?.name,
      adapter_type: "duckdb",
      user_id: null,
      send_anonymous_usage_stats: false,
    },
    ...{ nodes, sources, exposures },
    ...{ macros: {}, docs: {}, metrics: {}, groups: {}, selectors: {}, disabled: {} },
    parent_map: parents,
    child_map: childrenOf(parents),
    ...{ group_map: {}, saved_queries: {}, semantic_models: {}, unit_tests: {} },
  };
}

function childrenOf(parents: Readonly<Record<string, readonly string[]>>): Json {
  const children: Record<string, string[]> = {};
  for (const id of Object.keys(parents)) children[id] = [];
  for (const [id, reads] of Object.entries(parents)) {
    for (const parent of reads) children[parent]?.push(id);
  }
  return children;
}

function nodeOf(node: DbtNode, description: string | null) {
  const { entry, package: one, relation, file, text } = node;
  const { values } = node.config;
  const below = one.folder === "" ? file : file.slice(one.folder.length + 1);
  return {
    database: DATABASE,
    schema: relation.schema,
    name: node.name,
    resource_type: node.kind,
    package_name: one.name,
    path: below.slice(below.indexOf("/") + 1),
    original_file_path: below,
    unique_id: node.id,
    fqn: node.fqn,
    alias: relation.identifier,
    checksum: {
      name: "sha256",
      checksum: new Bun.CryptoHasher("sha256").update(text).digest("hex"),
    },
    config: plainFrom(values),
    tags: plainFrom(values.get("tags") ?? []),
    description: description ?? "",
    columns: columnsOf(entry),
    meta: plainFrom(values.get("meta") ?? new Map()),
    group: plainFrom(values.get("group")),
    docs: { show: true, node_color: null },
    patch_path: entry === null ? null : `${one.name}://${entry.file.file}`,
    build_path: null,
    unrendered_config: {},
    created_at: 0,
    relation_name: relation.text(),
    raw_code: node.kind === "seed" ? "" : text,
  };
}

function modelNode({ node, compiled, reads, description, model }: Translated): Json {
  const ids = [...reads];
  return {
    ...nodeOf(node, description),
    doc_blocks: [],
    language: "sql",
    refs: ids
      .filter((id) => !id.startsWith("source."))
      .map((id) => ({ name: lastOf(id), package: null, version: null })),
    sources: ids.filter((id) => id.startsWith("source.")).map((id) => id.split(".").slice(2)),
    metrics: [],
    depends_on: { macros: [], nodes: ids },
    compiled_path: null,
    compiled: true,
    compiled_code: compiled,
    extra_ctes_injected: true,
    extra_ctes: [],
    contract: { enforced: model.contract !== null, alias_types: true, checksum: null },
    access: "protected",
    constraints: [],
    version: null,
    latest_version: null,
    deprecation_date: null,
  };
}

function testNode({ test, id, reads, kind, generic, column }: DbtTest, project: string): Json {
  const [namespace, name] = generic?.includes(".") === true ? generic.split(".") : [null, generic];
  return {
    ...{ database: DATABASE, schema: null, name: test.name, resource_type: "test" },
    ...{ package_name: project, path: `${test.name}.sql`, original_file_path: test.file },
    unique_id: id,
    fqn: [project, test.name],
    alias: test.name,
    checksum: { name: "none", checksum: "" },
    config: {
      enabled: true,
      severity: test.severity === "warn" ? "WARN" : "ERROR",
      tags: test.tags,
    },
    ...{ tags: test.tags, description: test.description ?? "", columns: {}, meta: {}, group: null },
    ...{ docs: { show: true, node_color: null }, patch_path: null, build_path: null },
    ...{ unrendered_config: {}, created_at: 0, relation_name: null, raw_code: "", language: "sql" },
    ...{ refs: [], sources: [], metrics: [], depends_on: { macros: [], nodes: reads } },
    ...{ compiled: true, compiled_code: test.sql, compiled_path: null },
    ...{ extra_ctes_injected: true, extra_ctes: [] },
    contract: { enforced: false, alias_types: true, checksum: null },
    ...(kind === "singular"
      ? {}
      : {
          column_name: column,
          file_key_name: null,
          attached_node: reads[0] ?? null,
          test_metadata: {
            name,
            namespace,
            kwargs: column === null ? {} : { column_name: column },
          },
        }),
  };
}

function sourceNode(dbt: DbtProject, key: string, relation: Relation, id: string): Json {
  const entry = dbt.properties.sources.get(key);
  const { around } = entry ?? {};
  return {
    ...{ database: DATABASE, schema: relation.schema, name: entry?.name, resource_type: "source" },
    package_name: entry?.package.name,
    ...{ path: entry?.file.file, original_file_path: entry?.file.file, unique_id: id },
    fqn: [entry?.package.name, entry?.source, entry?.name],
    source_name: entry?.source,
    source_description: textOf(around?.data.description),
    loader: textOf(around?.data.loader),
    identifier: relation.identifier,
    quoting: {},
    loaded_at_field: entry?.data.loaded_at_field ?? null,
    freshness: null,
    external: null,
    description: textOf(entry?.data.description),
    columns: columnsOf(entry ?? null),
    ...{ meta: {}, source_meta: {}, tags: [], config: { enabled: true }, patch_path: null },
    ...{ unrendered_config: {}, relation_name: relation.text(), created_at: 0 },
  };
}

function exposureNode(dbt: DbtProject, entry: Entry, id: string) {
  const { data, file } = entry;
  const asked = Array.isArray(data.depends_on) ? data.depends_on.map(String) : [];
  const nodes = asked.flatMap((text) => {
    try {
      return [...dbt.compiler.renderText(`{{ ${text} }}`, entry.package, file.file).reads];
    } catch {
      return [];
    }
  });
  return {
    ...{ name: nameOf(entry), resource_type: "exposure", package_name: entry.package.name },
    ...{ path: file.file, original_file_path: file.file, unique_id: id },
    fqn: [entry.package.name, nameOf(entry)],
    type: textOf(data.type),
    owner: isRecord(data.owner) ? data.owner : {},
    description: textOf(data.description),
    label: data.label ?? null,
    maturity: data.maturity ?? null,
    url: data.url ?? null,
    ...{ meta: {}, tags: [], config: { enabled: true }, unrendered_config: {}, created_at: 0 },
    ...{ refs: [], sources: [], metrics: [], depends_on: { macros: [], nodes } },
  };
}

function columnsOf(entry: Pick<Entry, "data"> | null): Json {
  const said = entry?.data.columns;
  const columns: Record<string, Json> = {};
  for (const column of Array.isArray(said) ? said : []) {
    if (!isRecord(column) || typeof column.name !== "string") continue;
    const { name } = column;
    columns[name] = {
      name,
      description: textOf(column.description),
      meta: isRecord(column.meta) ? column.meta : {},
      data_type: column.data_type ?? null,
      constraints: [],
      quote: null,
      tags: Array.isArray(column.tags) ? column.tags : [],
    };
  }
  return columns;
}

/** The last run of each model: what dbt tells of its last command. */
function resultsOf(dbt: DbtProject, runs: ReadonlyMap<TableName, RunRecord>, now: string): Json {
  const results = dbt.translated.flatMap(({ node, model, compiled }) => {
    const run = runs.get(model.name);
    if (run === undefined) return [];
    const seconds = (run.endedMs - run.startedMs) / 1_000;
    const times = {
      started_at: new Date(run.startedMs).toISOString(),
      completed_at: new Date(run.endedMs).toISOString(),
    };
    return [
      {
        status: run.status === "ok" ? "success" : "error",
        timing: [
          { name: "compile", ...times, completed_at: times.started_at },
          { name: "execute", ...times },
        ],
        thread_id: "main",
        execution_time: seconds,
        adapter_response: { rows_affected: Number(run.rowsWritten) },
        message: run.error ?? run.reason,
        failures: null,
        unique_id: node.id,
        compiled: true,
        compiled_code: compiled,
        relation_name: node.relation.text(),
        batch_results: null,
      },
    ];
  });
  const elapsed = results.reduce((sum, { execution_time: seconds }) => sum + seconds, 0);
  return {
    metadata: metadata("run-results/v6", now),
    results,
    elapsed_time: elapsed,
    args: { which: "build", invocation_command: `tarn ${VERSION} artifacts` },
  };
}

function lastOf(id: string): string {
  return id.slice(id.lastIndexOf(".") + 1);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

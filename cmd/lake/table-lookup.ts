/** What names in a user's statement mean: lake tables at the asked moment, views, system tables. */

import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import { VIEW_DEPTH_MAX } from "../../core/limits.ts";
import { isInlined, type Model } from "../../core/model/model.ts";
import { TableNames } from "../../core/model/table-names.ts";
import type { VersionRef } from "../../core/table/commit.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Table, TableName } from "../../core/table/types.ts";
import type { SystemTable } from "../../sql/query/session-table.ts";
import { type FoundTables, isChangesName, type TableLookup } from "../../sql/query/table-lookup.ts";
import type { Session } from "../open.ts";

type TablesOf = (sql: string) => Promise<readonly TableRef[]>;

/** What one statement's references share. */
interface Reading {
  readonly names: TableNames;
  readonly notes: string[];
  readonly tablesOf: TablesOf;
  /** Views that may still be inlined: each level may double them. */
  readonly viewsLeft: { count: number };
}

const VIEWS_MAX = 1_000;

const CURRENT: VersionRef = { kind: "current" };

const moments = () => import("./moments.ts");

/** The error with where its reference stands in the query, as `context.offset`. */
function ofReference(thrown: unknown, { offset }: TableRef): unknown {
  if (!(thrown instanceof LakeError) || thrown.place !== null || offset === null) return thrown;
  return new LakeError(thrown.code, thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    ...(thrown.page === null ? {} : { page: thrown.page }),
    context: { ...thrown.context, offset },
    cause: thrown.cause,
  });
}

function unknownTable(ref: TableRef, names: readonly string[]): unknown {
  const unknown = new LakeError("not-found", `there is no table "${ref.name}"`, {
    hint: suggestion(ref.name.toLowerCase(), names, "tables"),
  });
  return ofReference(unknown, ref);
}

/** The lake as the query session sees it. */
export function lakeLookup(session: Session): TableLookup {
  return new LakeLookup(session);
}

class LakeLookup implements TableLookup {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async find(
    refs: readonly TableRef[],
    asOf: string | null,
    tablesOf: TablesOf,
  ): Promise<FoundTables> {
    const notes: string[] = [];
    const reading: Reading = {
      names: await this.#names(),
      notes,
      tablesOf,
      viewsLeft: { count: VIEWS_MAX },
    };
    const bindings: Binding[] = [];
    const moment: VersionRef =
      asOf === null ? CURRENT : await (await moments()).versionRef(this.#session, null, asOf);
    for (const ref of refs) {
      try {
        const binding = await this.#bind(reading, ref, moment, 0);
        if (binding !== null) bindings.push(binding);
      } catch (thrown) {
        throw ofReference(thrown, ref);
      }
    }
    return { bindings, notes: [...new Set(notes)] };
  }

  async tableNames(): Promise<readonly string[]> {
    const heads = await this.#session.catalog.tables();
    const views = this.#views().map((model) => model.name);
    return [...new Set([...heads.map((head) => head.name), ...views])].sort();
  }

  async checkBranch(name: string): Promise<void> {
    const { requireBranch } = await import("./branch-list.ts");
    await requireBranch(this.#session, name);
  }

  async columnNames(table: string): Promise<readonly string[]> {
    const resolved = (await this.#names()).lookUp(table);
    if (resolved.kind !== "table") return [];
    const loaded = await this.#session.catalog.load(resolved.name);
    const columns = loaded?.schema.fields.map((field) => field.name) ?? [];
    return columns.filter((column) => !isHidden(column));
  }

  async systemTable(ref: TableRef): Promise<SystemTable | null> {
    if (/^information_schema\./i.test(ref.name)) {
      const { INFORMATION_SCHEMA_NAMES, informationSchema } = await import(
        "./information-schema.ts"
      );
      const found = await informationSchema(this.#session, ref.name);
      if (found === null) throw unknownTable(ref, INFORMATION_SCHEMA_NAMES);
      return found;
    }
    if (/^lake\.models$/i.test(ref.name)) {
      const { modelFacts } = await import("./model-facts.ts");
      return modelFacts(this.#session);
    }
    const table = await this.#session.systemTable(ref.name);
    if (table === null && /^lake\./i.test(ref.name)) {
      const { SYSTEM_TABLE_NAMES } = await import("../../storage/catalog/system.ts");
      throw unknownTable(
        ref,
        [...SYSTEM_TABLE_NAMES, "models"].map((name) => `lake.${name}`),
      );
    }
    if (table === null || !/^lake\.quarantine$/i.test(ref.name)) return table;
    const { quarantineState } = await import("./quarantine-state.ts");
    const names = (await this.#session.catalog.tables()).map((head) => head.name);
    return { ...table, query: (closed) => quarantineState(names, closed) };
  }

  async #names(): Promise<TableNames> {
    return new TableNames(await this.tableNames());
  }

  #views(): readonly Model[] {
    return this.#session.project.models.filter((model) => isInlined(model.kind));
  }

  async #bind(
    reading: Reading,
    ref: TableRef,
    inherited: VersionRef,
    depth: number,
  ): Promise<Binding | null> {
    if (isChangesName(ref.name)) {
      const { changesBinding } = await import("./changes.ts");
      return changesBinding(this.#session, reading.names, ref);
    }
    const resolved = reading.names.lookUp(ref.name, ref.isOneWord);
    if (resolved.kind === "ambiguous") {
      throw new LakeError("sql", `"${ref.name}" is ambiguous: ${resolved.names.join(", ")}`, {
        hint: `write ${resolved.names[0] ?? ref.name} or one of the others`,
        page: "T0204",
      });
    }
    if (resolved.kind !== "table") return null;
    // Most statements name no moment, and load nothing that reads one.
    const named = ref.at !== null || ref.name.includes("@") ? await moments() : null;
    const at = named?.momentIn(ref) ?? null;
    const momentFor = async (table: Table | null): Promise<VersionRef> =>
      named === null || at === null
        ? inherited
        : await named.versionRef(this.#session, table, at.value, at.unit);
    const view = this.#views().find((model) => model.name === resolved.name);
    if (view !== undefined) {
      if (view.kind === "ephemeral" && depth === 0) throw isEphemeral(view);
      return this.#bindView(reading, ref, view, await momentFor(null), depth);
    }
    const table = await this.#session.catalog.load(resolved.name);
    if (table === null) return null;
    const moment = await momentFor(table);
    const snapshot = await this.#session.catalog.snapshotAt(table, moment);
    const scan = await this.#session.catalog.scan(table, snapshot);
    const stale = await this.#staleness(resolved.name, moment);
    if (stale !== null) reading.notes.push(stale);
    return { kind: "scan", ref, scan };
  }

  /** Today's definition of a view; a time travels into its tables, a version of a view means nothing. */
  async #bindView(
    reading: Reading,
    ref: TableRef,
    view: Model,
    moment: VersionRef,
    depth: number,
  ): Promise<Binding> {
    if (depth >= VIEW_DEPTH_MAX) {
      throw new LakeError("sql", `views are nested more than ${VIEW_DEPTH_MAX} deep`);
    }
    reading.viewsLeft.count -= 1;
    if (reading.viewsLeft.count < 0) {
      throw new LakeError("sql", `${view.name} comes to more than ${VIEWS_MAX} views`, {
        hint: "a view that reads itself, or views that read each other twice: see tarn check",
      });
    }
    if (moment !== CURRENT) (await moments()).refuseVersionOfView(view.name, moment);
    const inner: Binding[] = [];
    for (const each of await reading.tablesOf(view.sql)) {
      const binding = await this.#bind(reading, each, moment, depth + 1);
      if (binding !== null) inner.push(binding);
    }
    return { kind: "view", ref, sql: view.sql, bindings: inner };
  }

  /** A table whose model failed since is older than its inputs say it should be. */
  async #staleness(name: TableName, moment: VersionRef): Promise<string | null> {
    if (moment.kind !== "current") return null;
    const latest = await this.#session.catalog.runs.latest();
    if (!latest.values().some(({ status }) => status === "failed")) return null;
    const { failedBehind } = await import("../../core/model/run-store.ts");
    const failed = failedBehind(name, latest, (run) => run.mode !== "land");
    if (failed === null) return null;
    const whose = failed === name ? "its last run" : `the last run of ${failed}, which it reads,`;
    return `${name} is stale: ${whose} failed (tarn status)`;
  }
}

function isEphemeral({ name, file }: Model): LakeError {
  return new LakeError("not-found", `${name} is ephemeral: it stands in the models that read it`, {
    hint: `it has no table: ask one of them, or write kind: view in ${file}`,
  });
}

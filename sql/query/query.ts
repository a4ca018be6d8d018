/** A session of queries: text in, results out, with tables of the lake pinned statement by statement. */

import { errorText, LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import { BRANCH_PREFIX, MAIN, SQL_CHARS_MAX } from "../../core/limits.ts";
import { type Bound, bindSelect, tablesIn } from "../bind/bind.ts";
import type { Changed, Changes, Find } from "../dml/changes.ts";
import type { LakeWriter } from "../dml/lake-writer.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBError } from "../duckdb/error.ts";
import { quoteIdentifier, quoteQualified, quoteTargetPath } from "../syntax/quote.ts";
import {
  classify,
  readsTables,
  type StatementKind,
  splitStatements,
  tableNamesIn,
} from "../syntax/statement.ts";
import { statementTime } from "../syntax/table-ref.ts";
import {
  atReference,
  atStatement,
  cancelled,
  explained,
  missingTable,
  READ_ONLY,
  REFUSAL,
  SETTINGS,
  shifted,
  unsupported,
  withNearTables,
  withoutPlace,
} from "./error.ts";
import { execute, mappedErrors, type QueryResult, resultOf } from "./result.ts";
import { bindingLabels, type FoundTables, isSystemName, type TableLookup } from "./table-lookup.ts";

export interface QuerySessionOptions {
  /** Opens the engine, at the first statement. */
  open(): Promise<DuckDB>;
  /** Null outside a lake. */
  readonly lookup: TableLookup | null;
  /** The zone of the engine: asked for when a result is shown, which is after `open`. */
  readonly timezone: string;
  /** Absolute path of a file to write, checked: throws when it lies in the lake's own folder. */
  writablePath(path: string): string;
  /** Changes tables of the lake; absent: they are read only. */
  readonly writer?: LakeWriter;
}

export class QuerySession {
  readonly #options: QuerySessionOptions;
  #opening: Promise<DuckDB> | null = null;
  #cancelled = false;
  #running = false;
  /** The newest call into the engine; they go one after the other. */
  #call: Promise<unknown> | null = null;
  /** As a SET of the session has it. */
  #timezone: string | null = null;
  #branch: string | null = null;
  #scratch = 0;
  #columnsByTemporary: ReadonlyMap<string, readonly string[]> = new Map();
  /** Null until a statement changes a table of the lake. */
  #changes: Changes | null = null;

  constructor(options: QuerySessionOptions) {
    this.#options = options;
  }

  /** The zone in which instants are shown. */
  get timezone(): string {
    return this.#timezone ?? this.#options.timezone;
  }

  /** True while the engine works on a statement. */
  get isRunning(): boolean {
    return this.#running;
  }

  /** True between BEGIN and its COMMIT or ROLLBACK. */
  get isInTransaction(): boolean {
    return this.#changes !== null && this.#changes.pending !== null;
  }

  /** The moment at which tables without one of their own are read; null is now. */
  asOf: string | null = null;

  /** The branch that statements read and change; null is main. */
  get branch(): string | null {
    return this.#branch;
  }

  /** Throws `usage` within a transaction, and for a session that changes nothing as of another moment. */
  async useBranch(name: string | null): Promise<void> {
    if (this.isInTransaction) {
      throw new LakeError("usage", "a transaction is on the branch that it began on", {
        hint: "COMMIT or ROLLBACK first",
      });
    }
    if (name !== null && this.asOf !== null) {
      throw new LakeError("usage", "a branch is read as it is now, and this session as of then", {
        hint: "leave out --at, or say .asof off",
      });
    }
    if (name !== null) await this.#options.lookup?.checkBranch(name);
    this.#branch = name;
    const { writer } = this.#options;
    if (writer !== undefined) writer.branch = name;
  }

  /** Runs the statements of a text one after the other. Each result must be read before the next is asked for. */
  async *run(text: string): AsyncGenerator<QueryResult> {
    if (text.length > SQL_CHARS_MAX) {
      throw new LakeError("sql", `the text has more than ${SQL_CHARS_MAX} characters`, {
        hint: "load data from a file instead of writing it into the statement",
      });
    }
    this.#cancelled = false;
    const statements = splitStatements(text);
    for (const statement of statements) {
      try {
        const answer = await this.#runOne(statement.sql);
        const map = (thrown: unknown) => this.#relocated(thrown, text, statement.offset);
        if (answer.result === null) await this.#noteTemporary();
        const result = answer.result === null ? null : mappedErrors(answer.result, map);
        yield { ...answer, result };
      } catch (thrown) {
        const near = await this.#withNear(thrown, statement.sql);
        const placed = statements.length === 1 ? near : atStatement(near, statement.sql);
        throw this.#relocated(placed, text, statement.offset);
      } finally {
        this.#running = false;
      }
    }
  }

  /**
   * Runs one query into a Parquet file, or into a folder of them by the values of columns; answers the number of rows.
   */
  async writeParquet(
    text: string,
    path: string,
    partitionBy: readonly string[] = [],
  ): Promise<QueryResult> {
    const [statement, second] = splitStatements(text);
    if (statement === undefined || second !== undefined) {
      throw new LakeError("usage", "Parquet output takes exactly one query", {
        hint: "give one SELECT",
      });
    }
    const by = partitionBy.map((column) => quoteIdentifier(column)).join(", ");
    const rest = `(FORMAT parquet, COMPRESSION zstd${by === "" ? "" : `, PARTITION_BY (${by})`})`;
    const { sql: query } = statement;
    try {
      return await this.#copyTo(statement.sql, { query, path, rest });
    } catch (thrown) {
      throw this.#relocated(thrown, text, statement.offset);
    }
  }

  /** Makes a file a table of this session, named by its stem; answers the name. */
  async addFile(path: string): Promise<string> {
    const db = await this.#db();
    const { fileTableSql } = await import("./session-table.ts");
    const { name, sql } = fileTableSql(path);
    await db.run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(name)} AS ${sql}`);
    await this.#noteTemporary();
    return name;
  }

  /** Names for completion: tables of the lake, then temporary ones. Never touches the engine. */
  async tableNames(): Promise<readonly string[]> {
    const lake = (await this.#options.lookup?.tableNames()) ?? [];
    return [...lake, ...this.temporaryNames];
  }

  async columnNames(table: string): Promise<readonly string[]> {
    const own = this.#columnsByTemporary.get(table.toLowerCase());
    return own ?? (await this.#options.lookup?.columnNames(table)) ?? [];
  }

  /** Temporary tables and views of the session. */
  get temporaryNames(): readonly string[] {
    return [...this.#columnsByTemporary.keys()];
  }

  /** Stops what runs; it then throws something that `isCancelled`. */
  interrupt(): void {
    this.#cancelled = true;
    this.#opening?.then((db) => db.interrupt()).catch(() => undefined);
  }

  /** Stops what runs, waits for it, and closes the engine. */
  async close(): Promise<void> {
    const opening = this.#opening;
    if (opening === null) return;
    this.#opening = null;
    const db = await opening;
    this.#cancelled = true;
    db.interrupt();
    await this.#call?.catch(() => undefined);
    await db.close();
  }

  /** Closing the connection under a call would crash the process. */
  #track<T>(call: Promise<T>): Promise<T> {
    this.#call = call;
    return call;
  }

  #db(): Promise<DuckDB> {
    this.#opening ??= this.#options.open();
    return this.#opening;
  }

  async #runOne(sql: string): Promise<QueryResult> {
    const kind = classify(sql);
    switch (kind.kind) {
      case "query":
        return this.#query(sql, "", sql, 0);
      case "prefixed":
        return this.#query(sql, kind.prefix, kind.query, kind.offset);
      case "pivot":
        return this.#queryByNames(sql);
      case "show-tables":
        return this.#showTables(sql);
      case "copy-to":
        return this.#copyTo(sql, kind);
      case "write":
        return this.#write(sql, kind);
      case "setting":
        return this.#set(sql, kind.name);
      case "create":
        if (kind.what === "table") return this.#change(sql, "CREATE TABLE");
        throw unsupported(
          `CREATE ${kind.what.toUpperCase()} would not last`,
          own(CREATE_INSTEAD, kind.what) ?? "create temp table t as select …",
        );
      case "transaction":
        return this.#transaction(sql, kind.verb);
      case "branch":
        await this.useBranch(kind.name === MAIN ? null : kind.name);
        return answered(sql, { rows: null, tables: [], notes: [`on branch ${kind.name}`] });
      case "refused":
        throw unsupported(
          `${kind.verb.toUpperCase()} is not available here`,
          REFUSAL[kind.verb] ?? READ_ONLY,
        );
      case "other":
        return this.#execute(sql, sql, NOTHING_READ, (thrown) => thrown);
    }
  }

  async #query(sql: string, prefix: string, query: string, offset: number): Promise<QueryResult> {
    const { lookup } = this.#options;
    if (lookup === null || !readsTables(prefix + query)) {
      return this.#execute(sql, prefix + query, NOTHING_READ, (thrown) =>
        prefix === "" ? thrown : shifted(thrown, sql, offset - prefix.length),
      );
    }
    const db = await this.#db();
    let bound: { readonly bound: Bound; readonly read: FoundTables };
    try {
      bound = await this.#bind(db, query, lookup);
    } catch (thrown) {
      if (thrown instanceof LakeError && thrown.code === "unsupported") {
        return this.#queryByNames(sql);
      }
      throw shifted(atReference(thrown, query), sql, offset);
    }
    return this.#execute(sql, prefix + bound.bound.sql, bound.read, (thrown) =>
      shifted(bound.bound.locate(thrown), sql, offset),
    );
  }

  async #bind(db: DuckDB, query: string, lookup: TableLookup) {
    const atTime = statementTime(db);
    const refs = await tablesIn(db, query, atTime);
    const read = await this.#findNow(db, refs, lookup, atTime);
    const bound = await bindSelect(db, query, read.bindings, { runTimeMs: null, atTime });
    return { bound, read };
  }

  async #find(
    db: DuckDB,
    refs: readonly TableRef[],
    lookup: TableLookup,
    atTime: () => Promise<number>,
    asOf = this.#moment(),
  ): Promise<FoundTables> {
    const system: Binding[] = [];
    const others: TableRef[] = [];
    for (const ref of refs) {
      const isSystem = isSystemName(ref);
      const binding = isSystem ? await this.#systemTable(db, ref, lookup, atTime) : null;
      if (binding === null) others.push(ref);
      else system.push(binding);
    }
    const { bindings, notes } =
      others.length === 0
        ? { bindings: [], notes: [] }
        : await lookup.find(others, asOf, (sql) => tablesIn(db, sql, atTime));
    this.#checkCancelled();
    return { bindings: [...system, ...bindings], notes };
  }

  /** As a transaction has the tables that it changed, where one is open. */
  async #findNow(
    db: DuckDB,
    refs: readonly TableRef[],
    lookup: TableLookup,
    atTime: () => Promise<number>,
  ): Promise<FoundTables> {
    const pending = this.#changes?.pending ?? null;
    if (pending === null) return this.#find(db, refs, lookup, atTime);
    const own = pending.bindings(refs);
    const known = new Set(own.map(({ ref }) => ref));
    const others = refs.filter((ref) => !known.has(ref));
    const found = await this.#find(db, others, lookup, atTime, pending.asOf ?? this.#moment());
    return { ...found, bindings: [...own, ...pending.over(found.bindings)] };
  }

  #moment(): string | null {
    return this.asOf ?? (this.#branch === null ? null : `${BRANCH_PREFIX}${this.#branch}`);
  }

  async #systemTable(
    db: DuckDB,
    ref: TableRef,
    lookup: TableLookup,
    atTime: () => Promise<number>,
  ): Promise<Binding | null> {
    const table = await lookup.systemTable(ref);
    if (table === null) return null;
    const name = `lake_system_${this.#scratch++ % SCRATCH_MAX}`;
    const { materializeSystemTable } = await import("./session-table.ts");
    await materializeSystemTable(db, name, table);
    const rows = quoteIdentifier(name);
    if (table.query === undefined) return { kind: "view", ref, sql: `FROM ${rows}`, bindings: [] };
    const sql = table.query(rows);
    const tablesOf = (query: string) => tablesIn(db, query, atTime);
    const { bindings } = await lookup.find(await tablesOf(sql), this.#moment(), tablesOf);
    return { kind: "view", ref, sql, bindings };
  }

  /**
   * For what DuckDB cannot serialise (PIVOT with values found at run time): every name behind FROM, JOIN or PIVOT that
   * is a table of the lake becomes a temporary view.
   */
  async #queryByNames(sql: string): Promise<QueryResult> {
    const { lookup } = this.#options;
    if (lookup === null) return this.#execute(sql, sql, NOTHING_READ, (thrown) => thrown);
    const db = await this.#db();
    const names = tableNamesIn(sql);
    const refs = names.map(({ name, start }): TableRef => ({ name, at: null, offset: start }));
    const atTime = statementTime(db);
    const read = await this.#findNow(db, refs, lookup, atTime);
    let bound = "";
    let from = 0;
    for (const [index, { start, end }] of names.entries()) {
      const ref = refs[index];
      const binding = read.bindings.find((each) => each.ref.name === ref?.name);
      if (binding === undefined) continue;
      const view = `lake_table_${this.#scratch++ % SCRATCH_MAX}`;
      const query = `FROM ${quoteQualified(binding.ref.name.split("."))}`;
      const { sql: rows } = await bindSelect(db, query, [binding], { runTimeMs: null, atTime });
      await db.run(`CREATE OR REPLACE TEMP VIEW ${quoteIdentifier(view)} AS ${rows}`);
      bound += sql.slice(from, start) + quoteIdentifier(view);
      from = end;
    }
    return this.#execute(sql, bound + sql.slice(from), read, (thrown) => withoutPlace(thrown));
  }

  async #showTables(sql: string): Promise<QueryResult> {
    const rows = (await this.tableNames()).map((name) => [name]);
    const result = resultOf([{ name: "name", type: { kind: "string", text: "varchar" } }], rows);
    return { sql, result, rowsChanged: null, tables: [], notes: [] };
  }

  async #copyTo(
    sql: string,
    copy: { readonly query: string; readonly path: string; readonly rest: string },
  ): Promise<QueryResult> {
    const db = await this.#db();
    // Only now: the lake's own folder is known once the engine is open.
    const path = this.#options.writablePath(copy.path);
    const { lookup } = this.#options;
    const { bound, read } =
      lookup === null
        ? { bound: { sql: copy.query, locate: (thrown: unknown) => thrown }, read: NOTHING_READ }
        : await this.#bind(db, copy.query, lookup);
    const full = `COPY (${bound.sql}) TO ${quoteTargetPath(path)} ${copy.rest}`;
    return this.#execute(sql, full, read, (thrown) => withoutPlace(bound.locate(thrown)));
  }

  async #write(sql: string, kind: Extract<StatementKind, { kind: "write" }>): Promise<QueryResult> {
    const target = kind.target.toLowerCase().replace(/^temp\.(main\.)?/, "");
    if (!this.temporaryNames.includes(target)) {
      return this.#change(sql, `${kind.verb.toUpperCase()} on ${kind.target}`);
    }
    if (kind.query === null) return this.#execute(sql, sql, NOTHING_READ, (thrown) => thrown);
    const { start } = kind.query;
    return this.#query(sql, sql.slice(0, start), sql.slice(start), start);
  }

  /** A statement that changes a table of the lake. */
  async #change(sql: string, what: string): Promise<QueryResult> {
    this.#refusePast(what);
    const db = await this.#db();
    const changes = await this.#changing(what);
    this.#running = true;
    const find: Find = async (refs, atTime, asOf) => {
      const { lookup } = this.#options;
      if (lookup === null || refs.length === 0) return NOTHING_READ;
      return this.#find(db, refs, lookup, atTime, asOf);
    };
    return answered(sql, await this.#tracked(changes.run(db, sql, find)));
  }

  async #transaction(sql: string, verb: "begin" | "commit" | "rollback"): Promise<QueryResult> {
    const changes = await this.#changing("a transaction");
    if (verb === "commit") return answered(sql, await this.#tracked(changes.commit()));
    if (verb === "rollback") changes.rollback();
    else {
      this.#refusePast("BEGIN");
      await changes.begin();
    }
    return answered(sql, { rows: null, tables: [], notes: [] });
  }

  /** Its queries would read what is there now, and those beside it what was there then. */
  #refusePast(what: string): void {
    if (this.asOf === null) return;
    throw unsupported(
      `${what}: tables are changed as they are now, and this session reads them as of ${this.asOf}`,
      "leave out --at, or say .asof off; to read what was: from t at (timestamp => '…')",
    );
  }

  async #changing(what: string): Promise<Changes> {
    const { writer } = this.#options;
    if (writer === undefined) {
      throw unsupported(`${what}: tables of the lake are read only here`, READ_ONLY);
    }
    const { Changes: Made } = await import("../dml/changes.ts");
    this.#changes ??= new Made(writer);
    return this.#changes;
  }

  async #tracked<T>(work: Promise<T>): Promise<T> {
    try {
      return await this.#track(work);
    } catch (thrown) {
      throw this.#mapped(thrown, "", (same) => same);
    }
  }

  async #set(sql: string, name: string): Promise<QueryResult> {
    if (!SETTINGS.has(name)) {
      throw unsupported(
        `the setting "${name}" cannot be changed here`,
        `these can: ${[...SETTINGS].join(", ")}`,
      );
    }
    const done = await this.#execute(sql, sql, NOTHING_READ, (thrown) => thrown);
    if (name === "timezone") {
      const db = await this.#db();
      const [row] = await db.rows("SELECT current_setting('TimeZone') AS zone");
      this.#timezone = String(row?.zone ?? this.timezone);
    }
    return done;
  }

  async #execute(
    sql: string,
    bound: string,
    read: FoundTables,
    locate: (thrown: unknown) => unknown,
  ): Promise<QueryResult> {
    const db = await this.#db();
    this.#checkCancelled();
    this.#running = true;
    const executed = await execute(db, bound, {
      isCancelled: () => this.#cancelled,
      track: (call) => this.#track(call),
      mapError: (thrown) => this.#mapped(thrown, bound, locate),
    });
    return { ...executed, sql, tables: bindingLabels(read.bindings), notes: read.notes };
  }

  #mapped(thrown: unknown, bound: string, locate: (thrown: unknown) => unknown): unknown {
    const isInterrupt = this.#cancelled || /^INTERRUPT Error/i.test(errorText(thrown));
    return isInterrupt ? cancelled() : explained(locate(duckDBError(thrown, bound)));
  }

  async #withNear(thrown: unknown, sql: string): Promise<unknown> {
    if (!(thrown instanceof LakeError) || missingTable(thrown) === null) return thrown;
    return withNearTables(thrown, sql, await this.tableNames().catch(() => []));
  }

  #checkCancelled(): void {
    if (this.#cancelled) throw cancelled();
  }

  #relocated(thrown: unknown, text: string, offset: number): unknown {
    return this.#cancelled ? cancelled() : shifted(thrown, text, offset);
  }

  /** Reads the temporary tables again; only between statements, because a connection runs one at a time. */
  async #noteTemporary(): Promise<void> {
    const { temporaryColumns } = await import("./session-table.ts");
    this.#columnsByTemporary = await temporaryColumns(await this.#db());
  }
}

function answered(sql: string, { rows, tables, notes }: Changed): QueryResult {
  return { sql, result: null, rowsChanged: rows, tables, notes };
}

const NO_INDEX = "tables of the lake have no indexes; files are skipped by what their columns hold";

const CREATE_INSTEAD: Readonly<Record<string, string>> = {
  view: "put its query into models/<layer>/<name>.sql, with: kind: view",
  schema: "a layer is there with its first table: create table sales.t as select …",
  index: NO_INDEX,
  unique: NO_INDEX,
};

const NOTHING_READ: FoundTables = { bindings: [], notes: [] };

/** Scratch tables of this many statements back are overwritten. */
const SCRATCH_MAX = 64;

export type { QueryResult } from "./result.ts";
export type { FoundTables, TableLookup } from "./table-lookup.ts";

/** Runs statements that change tables of the lake: each one commit, or those between BEGIN and COMMIT together. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { TableRef } from "../../core/engine.ts";
import { COMMIT_RETRIES_MAX } from "../../core/limits.ts";
import type { Written } from "../../core/table/write.ts";
import { relocated } from "../bind/bind.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { explained, unsupported } from "../query/error.ts";
import { bindingLabels, type FoundTables } from "../query/table-lookup.ts";
import { parseSelect } from "../syntax/ast.ts";
import { alter, comment } from "./alter.ts";
import { create } from "./create.ts";
import { MISFIT } from "./fit.ts";
import type { LakeWriter } from "./lake-writer.ts";
import { merge } from "./merge.ts";
import { Pending } from "./pending.ts";
import { insert, remove, truncate, update } from "./row-changes.ts";
import type { ChangeContext } from "./rows.ts";
import { type ChangeStatement, readChange } from "./statement.ts";
import { withPlainColumn } from "./table-statement.ts";

/** What became of a statement. */
export interface Changed {
  /** Null where it is not about rows. */
  readonly rows: number | null;
  /** Tables that were read, and those that were made or changed, with their new numbers. */
  readonly tables: readonly string[];
  readonly notes: readonly string[];
}

/** Looks names up in the lake; `asOf` is the moment of names without one. */
export type Find = (
  refs: readonly TableRef[],
  atTime: () => Promise<number>,
  asOf: string | null,
) => Promise<FoundTables>;

/** What is worked out first, and published with others. */
type Staged = Exclude<ChangeStatement, { kind: "drop" }>;

/** Work tables of a statement. */
const SCRATCH = [
  "lake_losers",
  "lake_marks",
  "lake_merge_source",
  "lake_merge_met",
  "lake_merge_hit",
  "lake_feed_keys",
  "lake_wanted",
  "lake_places",
] as const;

/** The changes of one session. */
export class Changes {
  readonly #writer: LakeWriter;
  #open: Pending | null = null;
  /** Statements of the transaction, as the message of its commit tells them. */
  #done: string[] = [];

  constructor(writer: LakeWriter) {
    this.#writer = writer;
  }

  /** The transaction that is open; null: every statement is its own. */
  get pending(): Pending | null {
    return this.#open;
  }

  /** BEGIN: from here on everything reads one moment, with what is changed since. */
  async begin(): Promise<void> {
    if (this.#open !== null) throw new LakeError("usage", "a transaction has begun already", END);
    this.#open = new Pending(this.#writer, await this.#writer.moment());
    this.#done = [];
  }

  /** COMMIT: all of it or, where another one was first, nothing. */
  async commit(): Promise<Changed> {
    const open = this.#open;
    if (open === null) throw noTransaction();
    this.#open = null;
    const writes = open.writes();
    if (writes.length === 0) return { rows: null, tables: [], notes: ["nothing was changed"] };
    const written = await this.#writer.commit({ writes, message: this.#done.join("; ") });
    if (written.kind === "moved") throw conflict(written, "the transaction");
    return { rows: null, tables: labels(written), notes: [`commit ${written.number}`] };
  }

  /** ROLLBACK: nothing happened. */
  rollback(): void {
    if (this.#open === null) throw noTransaction();
    this.#open = null;
  }

  /**
   * One statement. On its own it is worked out again where another one was first, on what is there then. Throws
   * `conflict` when others keep winning; then, and whenever it throws, nothing was changed.
   */
  async run(db: DuckDB, sql: string, find: Find): Promise<Changed> {
    await checkSyntax(db, sql);
    const statement = readChange(sql);
    if (statement.kind === "drop") return await this.#drop(statement);
    if (statement.kind === "alter" && statement.change.kind === "rename-table") {
      return await this.#rename(statement, statement.change.to);
    }
    if (this.#open !== null) {
      const done = await this.#apply(db, sql, find, statement, this.#open);
      this.#done.push(done.message);
      return { ...done, notes: [...done.notes, "not committed yet"] };
    }
    let last: Extract<Written, { kind: "moved" }> | null = null;
    for (let attempt = 1; attempt <= COMMIT_RETRIES_MAX; attempt++) {
      const pending = new Pending(this.#writer);
      const done = await this.#apply(db, sql, find, statement, pending);
      const writes = pending.writes();
      if (writes.length === 0) return done;
      const written = await this.#writer.commit({ writes, message: done.message });
      if (written.kind === "committed") {
        const tables = [...done.tables, ...labels(written)];
        return { ...done, tables, notes: [...done.notes, `commit ${written.number}`] };
      }
      last = written;
    }
    if (last === null) throw new LakeError("internal", "a statement was not tried");
    throw conflict(last, "the statement");
  }

  async #apply(
    db: DuckDB,
    sql: string,
    find: Find,
    statement: Staged,
    pending: Pending,
  ): Promise<Changed & { readonly message: string }> {
    const read = new Set<string>();
    const notes = new Set<string>();
    const context: ChangeContext = {
      db,
      sql,
      writer: this.#writer,
      pending,
      find: async (refs, atTime) => {
        const own = pending.bindings(refs);
        const known = new Set(own.map(({ ref }) => ref));
        const others = refs.filter((ref) => !known.has(ref));
        const found = await find(others, atTime, pending.asOf);
        const bindings = [...own, ...pending.over(found.bindings)];
        for (const label of bindingLabels(bindings)) read.add(label);
        for (const note of found.notes) notes.add(note);
        return { bindings, notes: found.notes };
      },
    };
    try {
      const rows = await applied(context, statement);
      return {
        rows: rows === null ? null : Number(rows),
        tables: [...read],
        notes: [...notes],
        message: messageOf(statement, rows),
      };
    } catch (thrown) {
      throw misfitOf(placedInStatement(thrown, sql));
    } finally {
      for (const name of SCRATCH) await db.run(`DROP TABLE IF EXISTS temp.${name}`);
    }
  }

  /** A commit of its own, which touches no file; a name alone stays in its layer. */
  async #rename(
    { target, isOptional }: Extract<ChangeStatement, { kind: "alter" }>,
    to: readonly string[],
  ): Promise<Changed> {
    if (this.#open !== null) {
      throw unsupported("RENAME cannot be part of a transaction", "run it before BEGIN or after");
    }
    const name = target.parts.join(".");
    const found = await this.#writer.open(name, "drop", "RENAME of", null);
    if (found === null && isOptional) return { rows: null, tables: [], notes: ["no such table"] };
    if (found === null) {
      throw new LakeError("not-found", `there is no table "${name}"`, { hint: "see: tarn ls" });
    }
    const from = found.table.name;
    const [layer = ""] = from.split(".");
    const full = to.length === 1 ? [layer, ...to] : to;
    const number = await this.#writer.rename(from, await this.#writer.nameOf(full, "RENAME to"));
    return { rows: null, tables: [], notes: [`commit ${number}`] };
  }

  /** A drop is a commit of its own, which touches no file. */
  async #drop(statement: Extract<ChangeStatement, { kind: "drop" }>): Promise<Changed> {
    if (this.#open !== null) {
      throw unsupported(
        "DROP TABLE cannot be part of a transaction",
        "run it before BEGIN or after",
      );
    }
    const { target, isOptional, isForced } = statement;
    const name = target.parts.join(".");
    const found = await this.#writer.open(name, "drop", "DROP of", null);
    if (found === null && isOptional) return { rows: null, tables: [], notes: ["no such table"] };
    if (found === null) {
      throw new LakeError("not-found", `there is no table "${name}"`, { hint: "see: tarn ls" });
    }
    const number = await this.#writer.drop(found.table.name, isForced);
    const back = `to bring it back: tarn restore ${found.table.name}`;
    return { rows: null, tables: [], notes: [`commit ${number}`, back] };
  }
}

async function applied(context: ChangeContext, statement: Staged): Promise<bigint | null> {
  switch (statement.kind) {
    case "insert":
      return await insert(context, statement);
    case "delete":
      return await remove(context, statement);
    case "update":
      return await update(context, statement);
    case "truncate":
      return await truncate(context, statement);
    case "merge":
      return await merge(context, statement);
    case "create":
      return await create(context, statement);
    case "alter":
      await alter(context, statement);
      return null;
    case "comment":
      await comment(context, statement);
      return null;
    default:
      return unreachable(statement);
  }
}

const END = { hint: "end it with COMMIT or ROLLBACK first" };

function noTransaction(): LakeError {
  return new LakeError("usage", "no transaction has begun", { hint: "begin it with: BEGIN" });
}

/** DuckDB's own parser says what is no statement, and where; that it is none for a tree is as it should be. */
async function checkSyntax(db: DuckDB, sql: string): Promise<void> {
  try {
    await parseSelect(db, sql);
  } catch (thrown) {
    if (thrown instanceof LakeError && thrown.code === "unsupported") return;
    // Of a field within a column its grammar knows less than Iceberg has.
    const plain = withPlainColumn(sql);
    if (plain === sql) throw thrown;
    await checkSyntax(db, plain);
  }
}

function messageOf(statement: Staged, rows: bigint | null) {
  const name =
    statement.kind === "comment" ? statement.parts.join(".") : statement.target.parts.join(".");
  const verb = statement.kind === "create" ? "create table" : statement.kind;
  return `${verb} ${name}${rows === null ? "" : `: ${counted(rows, "row")}`}`;
}

function labels({ sequences }: Extract<Written, { kind: "committed" }>): string[] {
  return [...sequences].map(([name, number]) => `${name}@${number}`);
}

/** Names both states. */
function conflict({ moved }: Extract<Written, { kind: "moved" }>, what: string): LakeError {
  const { table, from, to } = moved;
  const was = from === null ? "not there or empty" : `@${from}`;
  const is = to === null ? "gone or empty" : `@${to}`;
  return new LakeError(
    "conflict",
    `${table} was changed by another writer: it was ${was}, and is ${is}`,
    {
      hint: `nothing of ${what} was done; run it again`,
      context: { table, from: String(from), to: String(to) },
    },
  );
}

/** An error of the engine at work stands in the text that was made of the statement: nobody saw that one. */
function placedInStatement(thrown: unknown, sql: string): unknown {
  const isInMade = thrown instanceof LakeError && thrown.context.position !== undefined;
  return isInMade ? explained(relocated(thrown, sql)) : thrown;
}

/** What the engine says of a value that does not fit, in words of its own. */
function misfitOf(thrown: unknown): unknown {
  if (!(thrown instanceof LakeError)) return thrown;
  const start = thrown.message.indexOf(MISFIT);
  if (start < 0) return thrown;
  const message = thrown.message.slice(start + MISFIT.length);
  const cast = "; to round or cut it, write the cast: value::type";
  return new LakeError("sql", message, {
    hint: `nothing was changed${message.includes("cannot hold") ? cast : ""}`,
    cause: thrown,
  });
}

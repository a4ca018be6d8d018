/** Whatever is done on branches and on main, each has the rows that a list of states says. */

import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { createBranchOf } from "../../cmd/lake/branch-create.ts";
import { branchesOf } from "../../cmd/lake/branch-list.ts";
import { cherryPickOf, dropBranchOf, promoteOf } from "../../cmd/lake/branches.ts";
import { lakeLookup } from "../../cmd/lake/table-lookup.ts";
import { openSession, type Session } from "../../cmd/open.ts";
import { LakeChanges, runHere } from "../../cmd/shell/writer.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { QuerySession } from "../../sql/query/query.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { openTestDuckDB } from "../support/test-lake.ts";

const BRANCHES = ["b1", "b2"] as const;
const TABLES = ["t1", "t2"] as const;
const branch = fc.constantFrom(...BRANCHES);
const table = fc.constantFrom(...TABLES);
const place = fc.constantFrom("main", ...BRANCHES);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("insert" as const), place, table, n: fc.nat(2) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete" as const), place, table, n: fc.nat(4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("together" as const), place, n: fc.nat(4) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("create" as const), branch }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("promote" as const), branch }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pick" as const), branch, table }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("drop" as const), branch }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A state of a table, as the law has it. */
interface State {
  readonly parent: State | null;
  readonly rows: readonly number[];
  /** What an insert added; null where rows were taken away. */
  readonly added: readonly number[] | null;
  /** The state of a branch that was taken over by it. */
  readonly source: State | null;
}

/** Heads of one table: main, and of branches that have one. */
type Heads = Map<string, State>;

class Law {
  readonly heads = new Map<string, Heads>(
    TABLES.map((name) => [
      name,
      new Map([["main", { parent: null, rows: [], added: [], source: null }]]),
    ]),
  );
  readonly begun = new Set<string>();
  #next = 0;

  head(name: string, at: string): State {
    const heads = this.heads.get(name) ?? new Map();
    return heads.get(at) ?? heads.get("main");
  }

  insert(name: string, at: string, n: number): readonly number[] {
    const added = Array.from({ length: n + 1 }, () => this.#next++);
    const parent = this.head(name, at);
    this.#move(name, at, { parent, rows: [...parent.rows, ...added], added, source: null });
    return added;
  }

  remove(name: string, at: string, isGone: (id: number) => boolean): void {
    const parent = this.head(name, at);
    const rows = parent.rows.filter((id) => !isGone(id));
    if (rows.length < parent.rows.length) {
      this.#move(name, at, { parent, rows, added: null, source: null });
    }
  }

  /** The states of a branch that main has not, newest first; null of a table without it. */
  ahead(name: string, at: string): readonly State[] | null {
    const heads = this.heads.get(name);
    const head = heads?.get(at);
    if (head === undefined) return null;
    const main = new Set(lineOf(this.head(name, "main")));
    return lineOf(head).filter((one) => !main.has(one));
  }

  isForward(at: string): boolean {
    return TABLES.every((name) => {
      const own = this.heads.get(name)?.get(at);
      return own === undefined || lineOf(own).includes(this.head(name, "main"));
    });
  }

  has(at: string): boolean {
    return TABLES.some((name) => this.heads.get(name)?.has(at));
  }

  promote(at: string): void {
    for (const heads of this.heads.values()) {
      const own = heads.get(at);
      if (own !== undefined) heads.set("main", own);
    }
    this.drop(at);
  }

  drop(at: string): void {
    for (const heads of this.heads.values()) heads.delete(at);
    this.begun.delete(at);
  }

  pick(name: string, at: string): void {
    const taken = new Set(lineOf(this.head(name, "main")).map(({ source }) => source));
    for (const one of [...(this.ahead(name, at) ?? [])].reverse()) {
      if (taken.has(one) || one.added === null) continue;
      const parent = this.head(name, "main");
      const rows = [...parent.rows, ...one.added];
      this.#move(name, "main", { parent, rows, added: one.added, source: one });
    }
  }

  #move(name: string, at: string, state: State): void {
    this.heads.get(name)?.set(at, state);
  }
}

function lineOf(head: State): readonly State[] {
  const line: State[] = [];
  for (let at: State | null = head; at !== null; at = at.parent) line.push(at);
  return line;
}

test("branches have the rows that were put on them, and become main where nothing came there", async () => {
  await using folder = await tempFolder();
  writeFileSync(join(folder.path, "tarn.yaml"), "project: p\n");
  const flags = { folder: folder.path, args: { threads: "1" } };
  await using session = await openSession(flags, { engine: "test" });
  using writer = writerOn(session);
  const query = new QuerySession({
    open: openTestDuckDB,
    lookup: lakeLookup(session),
    timezone: "UTC",
    writablePath: (path) => path,
    writer,
  });
  let count = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        const prefix = `gold.s${++count}_`;
        for (const name of TABLES) await run(query, `create table ${prefix}${name} (id int)`);
        const law = new Law();
        for (const one of steps) {
          await take({ session, query, law, prefix }, one);
          await check({ session, query, law, prefix });
        }
        for (const name of await branchesOf(session)) await dropBranchOf(session, name);
      }),
      { numRuns: Number(process.env.TARN_BRANCH_RUNS ?? 12) },
    );
  } finally {
    await query.close();
  }
}, 600_000);

interface Both {
  readonly session: Session;
  readonly query: QuerySession;
  readonly law: Law;
  readonly prefix: string;
}

async function take({ session, query, law, prefix }: Both, one: Step): Promise<void> {
  const isThere = (at: string): boolean => at === "main" || law.begun.has(at);
  switch (one.kind) {
    case "insert": {
      if (!isThere(one.place)) return;
      const added = law.insert(one.table, one.place, one.n);
      await on(query, one.place, `insert into ${prefix}${one.table} values ${values(added)}`);
      return;
    }
    case "delete":
      if (!isThere(one.place)) return;
      law.remove(one.table, one.place, (id) => id % 5 === one.n);
      await on(query, one.place, `delete from ${prefix}${one.table} where id % 5 = ${one.n}`);
      return;
    case "together": {
      if (!isThere(one.place)) return;
      law.remove("t2", one.place, (id) => id % 5 === one.n);
      const added = law.insert("t1", one.place, 0);
      const sql = `begin; delete from ${prefix}t2 where id % 5 = ${one.n};
        insert into ${prefix}t1 values ${values(added)}; commit`;
      await on(query, one.place, sql);
      return;
    }
    case "create": {
      const code = await codeOf(createBranchOf(session, one.branch, { tables: [], at: null }));
      expect(code).toBe(law.begun.has(one.branch) ? "conflict" : "done");
      law.begun.add(one.branch);
      return;
    }
    case "promote": {
      if (!law.begun.has(one.branch)) return;
      const code = await codeOf(
        promoteOf(session, one.branch, {
          ...{ heads: new Map(), keep: false, root: session.root },
          following: { signal: new AbortController().signal, onEvent: () => undefined },
        }),
      );
      const can = law.has(one.branch) ? (law.isForward(one.branch) ? "done" : "conflict") : "usage";
      expect(code).toBe(can);
      if (can === "done") law.promote(one.branch);
      return;
    }
    case "pick": {
      if (!law.begun.has(one.branch)) return;
      const asked = { table: `${prefix}${one.table}`, snapshot: null };
      const code = await codeOf(cherryPickOf(session, one.branch, asked));
      const ahead = law.ahead(one.table, one.branch);
      const can =
        ahead === null || ahead.length === 0
          ? "not-found"
          : ahead.some(({ added }) => added === null)
            ? "unsupported"
            : "done";
      expect(code).toBe(can);
      if (can === "done") law.pick(one.table, one.branch);
      return;
    }
    case "drop":
      if (!law.begun.has(one.branch)) return;
      await dropBranchOf(session, one.branch);
      law.drop(one.branch);
  }
}

async function check({ query, law, prefix }: Both): Promise<void> {
  for (const at of ["main", ...law.begun]) {
    for (const name of TABLES) {
      await query.useBranch(at === "main" ? null : at);
      const found = await ids(query, `${prefix}${name}`);
      const wanted = [...law.head(name, at).rows].sort((a, b) => a - b);
      expect({ at, name, found }).toEqual({ at, name, found: wanted });
    }
  }
  await query.useBranch(null);
}

async function on(query: QuerySession, at: string, sql: string): Promise<void> {
  await query.useBranch(at === "main" ? null : at);
  await run(query, sql);
  await query.useBranch(null);
}

function values(rows: readonly number[]): string {
  return rows.map((id) => `(${id})`).join(", ");
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown.code;
    throw thrown;
  }
}

function writerOn(session: Session): LakeChanges {
  return new LakeChanges(
    async () => session,
    async (command, args) => {
      const found: Json[] = [];
      await runHere(session, command, args, found, new AbortController().signal);
      return found;
    },
  );
}

async function run(query: QuerySession, sql: string): Promise<void> {
  for await (const { result } of query.run(sql)) {
    if (result !== null) for await (const chunk of result.chunks()) void chunk;
  }
}

async function ids(query: QuerySession, name: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { result } of query.run(`select id from ${name} order by id`)) {
    if (result === null) continue;
    for await (const chunk of result.chunks()) found.push(...(chunk.columns[0] ?? []).map(Number));
  }
  return found;
}

/** Branches: rows that are staged beside `main`, looked at, and made `main` in one commit. */

import { errorText, LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { BRANCH_PREFIX } from "../../core/limits.ts";
import { statusOf } from "../../core/model/threshold.ts";
import { branchState, SOURCE_SNAPSHOT, takenOver } from "../../core/table/branch.ts";
import { commitOnce, publish } from "../../core/table/publish.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";
import { type Branch, branchOf } from "./branch-list.ts";
import type { Following } from "./build-request.ts";

/** An append that was taken over. */
export interface Picked {
  readonly commit: bigint;
  /** Of the snapshot on the branch. */
  readonly sequence: bigint;
  readonly rows: bigint;
}

export async function dropBranchOf(session: Session, name: string): Promise<Branch> {
  const branch = await branchOf(session, name);
  const { dropMade } = await import("./branch-build.ts");
  await dropMade(session, name);
  await session.catalog.dropBranch(name);
  return branch;
}

export interface PromoteAsked {
  /** Snapshots that were looked at, by table. */
  readonly heads: ReadonlyMap<TableName, string>;
  readonly keep: boolean;
  /** The project that it was asked in. */
  readonly root: string;
  /** Of what is taken in before. */
  readonly following: Following;
}

/** Makes the branch `main`, as it was when `heads` were looked at. Throws `conflict` where `main` went on. */
export async function promoteOf(
  session: Session,
  name: string,
  { heads, keep, root, following }: PromoteAsked,
): Promise<{ readonly commit: bigint | null; readonly branch: Branch }> {
  const branch = await branchOf(session, name);
  if (branch.tables.length === 0) {
    throw new LakeError("usage", `nothing was done on ${name}`, {
      hint: `change a table on it: tarn sql --branch ${name}; or drop it: tarn branch drop ${name}`,
    });
  }
  const { hasModels, promoteBuilt } = await import("./branch-build.ts");
  if (await hasModels(session, name)) {
    const { refuseOtherProject } = await import("./build-request.ts");
    refuseOtherProject(session, root);
    refuseOtherHeads(branch, heads);
    return await promoteBuilt(session, name, { keep, following });
  }
  await refuseMadeOnes(session, branch);
  const asked = branch.tables.map(({ table, head }) => {
    const looked = heads.get(table);
    return { table, snapshotId: looked === undefined ? head.snapshotId : BigInt(looked) };
  });
  const commit = await session.catalog.promoteBranch({
    branch: name,
    heads: asked,
    keep,
    message: `branch ${name} is main: ${branch.tables.map(({ table }) => table).join(", ")}`,
  });
  return { commit, branch };
}

function refuseOtherHeads({ name, tables }: Branch, heads: ReadonlyMap<TableName, string>): void {
  const other = tables.find(({ table, head }) => heads.get(table) !== `${head.snapshotId}`);
  if (other === undefined) return;
  throw new LakeError(
    "conflict",
    `${other.table} is not what it was on ${name} when it was looked at`,
    {
      hint: `look at it again: tarn branch ${name}`,
    },
  );
}

/** Puts what a branch appends to a table on top of `main`, snapshot by snapshot. Throws `unsupported`, `conflict`. */
export async function cherryPickOf(
  session: Session,
  name: string,
  { table: text, snapshot }: { readonly table: string; readonly snapshot: string | null },
): Promise<readonly Picked[]> {
  const table = await session.tableName(text);
  const state = (await branchOf(session, name)).tables.find((one) => one.table === table);
  if (state === undefined) {
    throw new LakeError("not-found", `${table} is not on the branch ${name}`, {
      hint: `see: tarn branch ${name}`,
    });
  }
  await refuseMadeOnes(session, { name, tables: [state] });
  const oldestFirst = [...state.ahead].reverse();
  const wanted =
    snapshot === null
      ? oldestFirst
      : oldestFirst.filter((one) =>
          [`${one.snapshotId}`, `${one.sequenceNumber}`, `@${one.sequenceNumber}`].includes(
            snapshot,
          ),
        );
  if (wanted.length === 0) {
    throw new LakeError("not-found", `${name} has no snapshot ${snapshot ?? ""} of its own`, {
      hint: `see: tarn branch ${name}`,
    });
  }
  // None of them is taken over where one of them cannot be.
  for (const one of wanted) if (one.operation !== "append") throw noAppend(name, one);
  const done: Picked[] = [];
  const taken = takenOver(state.behind);
  for (const one of wanted) {
    if (!taken.has(`${one.snapshotId}`))
      done.push(await pick(session, { table, branch: name }, one));
  }
  return done;
}

/** What a query of `tests/` found on a branch. */
export interface AuditResult {
  readonly file: string;
  readonly state: "passed" | "failed" | "error";
  readonly text: string;
}

/**
 * Runs queries that answer what must not be, on the branch: those of `files`, else all of `tests/`. Throws what is
 * wrong with them, and `not-found` for a file that there is none of.
 */
export async function auditOf(
  session: Session,
  name: string,
  files: readonly string[],
): Promise<readonly AuditResult[]> {
  await branchOf(session, name);
  const { eachResult } = await import("./query.ts");
  const { readTests } = await import("./tests.ts");
  const results: AuditResult[] = [];
  for (const { file, sql, severity, thresholds } of readTests(session, files)) {
    let rows = 0n;
    try {
      const asOf = `${BRANCH_PREFIX}${name}`;
      await eachResult(
        session,
        sql,
        async (result) => {
          for await (const chunk of result.chunks()) rows += BigInt(chunk.rowCount);
        },
        asOf,
      );
      const state =
        statusOf(rows, severity === "fail", thresholds) === "fail" ? "failed" : "passed";
      results.push({ file, state, text: rows === 0n ? "no rows" : counted(rows, "row") });
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      results.push({ file, state: "error", text: errorText(thrown) });
    }
  }
  return results;
}

/** What a model or a source makes is not made main by anyone else. */
async function refuseMadeOnes(
  session: Session,
  { name, tables }: Pick<Branch, "name" | "tables">,
): Promise<void> {
  const { makersOf } = await import("./foreign-rules.ts");
  const makerOf = await makersOf(session);
  for (const { table } of tables) {
    const maker = makerOf(table);
    if (maker === null) continue;
    throw new LakeError(
      "unsupported",
      `${table} is made by a ${maker.kind}: ${name} cannot become its main`,
      {
        hint: `its rows would be lost by the next run; to leave it out: tarn branch drop ${name}`,
      },
    );
  }
}

function noAppend(branch: string, { sequenceNumber, operation }: Snapshot): LakeError {
  return new LakeError(
    "unsupported",
    `@${sequenceNumber} of ${branch} is no append (${operation})`,
    {
      hint:
        "what takes rows away was worked out on other rows than main has now: do it again on a new branch; " +
        "appends alone: name their snapshot",
    },
  );
}

async function pick(
  session: Session,
  { table: name, branch }: { readonly table: TableName; readonly branch: string },
  from: Snapshot,
): Promise<Picked> {
  const { catalog } = session;
  const message = `${name}: @${from.sequenceNumber} of a branch taken over`;
  return await publish({
    what: name,
    hint: "nothing was changed: try again",
    attempt: async () => {
      const table = await catalog.load(name);
      if (table === null) throw new LakeError("not-found", `there is no table ${name}`);
      const behind = branchState(table, branch)?.behind ?? [];
      if (takenOver(behind).has(`${from.snapshotId}`)) {
        throw new LakeError(
          "conflict",
          `@${from.sequenceNumber} of ${branch} was just taken over`,
          {
            hint: `by another command; see: tarn log ${name}`,
          },
        );
      }
      const delta = await catalog.delta(table, from.parentId, from);
      if (delta.kind !== "append") {
        throw new LakeError("unsupported", `@${from.sequenceNumber} cannot be taken over alone`, {
          hint: delta.kind === "full" ? delta.reason : "it holds no files",
        });
      }
      const added = delta.scan.files.map(({ file }) => ({
        ...file,
        dataSequenceNumber: null,
        fileSequenceNumber: null,
        snapshotId: null,
      }));
      const committed = await commitOnce(
        catalog,
        {
          kind: "write",
          tables: [
            {
              table: name,
              uuid: table.uuid,
              create: null,
              base: table.current?.snapshotId ?? null,
              schema: null,
              operation: "append",
              added,
              removed: [],
              summary: { [SOURCE_SNAPSHOT]: from.snapshotId.toString() },
            },
          ],
          facts: [],
          batches: [],
          withdrawn: [],
          runs: [],
          message,
        },
        message,
      );
      if (committed === null) return null;
      const rows = added.reduce((sum, { recordCount }) => sum + recordCount, 0n);
      return { commit: committed.number, sequence: from.sequenceNumber, rows };
    },
  });
}

/** `tarn branch`: rows staged beside `main`, looked at, and made `main`. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { defineTool, type Invocation, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { Branch, BranchTable } from "../lake/branch-list.ts";
import type { AuditResult } from "../lake/branches.ts";
import { openSession } from "../open.ts";
import { projectRoot } from "../project/project.ts";
import { onEngine } from "../serve/engine-command.ts";
import { type BranchArgs, runBranch } from "./branch-run.ts";

const ARGS = {
  at: {
    type: "string",
    valueHint: "VERSION|TIME|TAG",
    description: "create: where the tables begin that are named",
  },
  snapshot: {
    type: "string",
    valueHint: "@N|ID",
    description: "cherry-pick: one snapshot of the branch, in place of all",
  },
  test: {
    type: "string",
    valueHint: "FILE",
    description: "audit, promote: one query, in place of all in tests/",
  },
  audit: {
    type: "boolean",
    default: true,
    description: "promote: audit the branch first",
    negativeDescription: "promote: without an audit",
  },
  keep: { type: "boolean", description: "promote: the branch stays, where main is then" },
} as const;

type Call = Invocation<typeof ARGS>;

const VERBS = ["list", "create", "audit", "promote", "cherry-pick", "drop"] as const;

export const command = defineTool({
  name: "branch",
  description: "List branches; begin one, audit it, make it main in all of its tables at once.",
  args: ARGS,
  examples: [
    "tarn branch create april-fix",
    "tarn sql --branch april-fix -c \"update gold.prices set price = price / 100 where day >= '2026-04-01'\"",
    "tarn branch promote april-fix",
  ],
  async run(invocation) {
    // parse: every word that is no flag is in `_`
    const [first = "list", second, ...rest] = invocation.args._ as readonly string[]; // parse: see above
    const verb = VERBS.find((one) => one === first);
    // A name alone asks about it, unless it is a misspelt verb.
    if (verb === undefined) return await oneBranch(invocation, first, second);
    if (verb === "list") return await list(invocation, second ?? null);
    if (second === undefined) {
      throw new LakeError("usage", `branch ${verb} needs a name`, {
        hint: `tarn branch ${verb} NAME; see: tarn branch`,
      });
    }
    return await change(invocation, verb, second, rest);
  },
});

async function oneBranch(call: Call, name: string, second: string | undefined): Promise<number> {
  const near = nearestWord(name, VERBS);
  if (second === undefined && near === null) return await list(call, name);
  throw new LakeError("usage", `branch does not know "${name}"`, {
    hint: near === null ? `one of: ${VERBS.join(", ")}` : `did you mean "tarn branch ${near}"?`,
  });
}

async function change(
  call: Call,
  verb: Exclude<(typeof VERBS)[number], "list">,
  name: string,
  rest: readonly string[],
): Promise<number> {
  const { args } = call;
  const run = (asked: BranchArgs): Promise<number> => onEngine(call, "branch", runBranch, asked);
  switch (verb) {
    case "create":
      return await run({ verb, name, tables: rest, at: args.at ?? null });
    case "drop":
      return await run({ verb, name });
    case "cherry-pick": {
      const [table] = rest;
      if (table === undefined) {
        throw new LakeError("usage", "cherry-pick needs a table", {
          hint: `tarn branch cherry-pick ${name} gold.prices`,
        });
      }
      return await run({ verb, name, table, snapshot: args.snapshot ?? null });
    }
    case "audit": {
      const { results } = await audit(call, name, true);
      return results.every(({ state }) => state === "passed") ? EXIT.ok : EXIT.data;
    }
    case "promote": {
      const { branch, results } = await audit(call, name, args.audit !== false);
      const failed = results.filter(({ state }) => state !== "passed");
      if (failed.length > 0) {
        throw new LakeError("expectation", `${name} stays a branch: ${failedText(failed)}`, {
          hint: `mend it: tarn sql --branch ${name}; or as it is: tarn branch promote ${name} --no-audit`,
        });
      }
      const heads = branch.tables.map(({ table, head }) => [table, `${head.snapshotId}`]);
      const keep = args.keep === true;
      const root = await projectRoot(call);
      return await run({ verb, name, heads: Object.fromEntries(heads), keep, root });
    }
  }
}

/** In this process: the queries are somebody's, and the engine runs none. */
async function audit(
  call: Call,
  name: string,
  isAsked: boolean,
): Promise<{ readonly branch: Branch; readonly results: readonly AuditResult[] }> {
  const { terminal, args } = call;
  await using session = await openSession(call, { engine: null });
  const { branchOf } = await import("../lake/branch-list.ts");
  const { auditOf } = await import("../lake/branches.ts");
  const branch = await branchOf(session, name);
  const files = args.test === undefined ? [] : [args.test];
  const results = isAsked ? await auditOf(session, name, files) : [];
  for (const { file, state, text } of results) {
    if (terminal.json) terminal.document({ test: file, branch: name, state, text });
    else terminal.note(`${state === "passed" ? "✔" : "✖"} ${file}  ${text}`);
  }
  if (isAsked && results.length === 0) {
    terminal.note(
      "nothing is audited: a query in tests/*.sql that answers what must not be would be",
    );
  }
  return { branch, results };
}

function failedText(failed: readonly AuditResult[]): string {
  const [first, ...more] = failed;
  const text = first === undefined ? "" : `${first.file} found ${first.text}`;
  return more.length === 0 ? text : `${text}, and ${counted(more.length, "more test")} failed`;
}

async function list(call: Call, name: string | null): Promise<number> {
  const { terminal } = call;
  await using session = await openSession(call, { engine: null });
  const { branchList, branchOf } = await import("../lake/branch-list.ts");
  const branches = name === null ? await branchList(session) : [await branchOf(session, name)];
  for (const branch of branches) print(branch, terminal);
  if (branches.length === 0) terminal.note("no branches; to begin one: tarn branch create NAME");
  return EXIT.ok;
}

function print({ name, createdMs, tables }: Branch, terminal: Terminal): void {
  if (terminal.json) {
    terminal.document({
      branch: name,
      created: createdMs === null ? null : new Date(createdMs).toISOString(),
      tables: tables.map((one) => ({
        table: one.table,
        snapshot_id: one.head.snapshotId,
        sequence_number: one.head.sequenceNumber,
        fork: one.fork?.snapshotId ?? null,
        ahead: one.ahead.length,
        behind: one.behind.length,
        fast_forward: one.isForward,
      })),
    });
    return;
  }
  terminal.line(tables.length === 0 ? `${name}   nothing was done on it` : name);
  const width = Math.max(...tables.map(({ table }) => table.length));
  for (const table of tables) terminal.line(`  ${table.table.padEnd(width)}   ${stateText(table)}`);
}

function stateText({ head, ahead, behind, isForward }: BranchTable): string {
  const at = `@${head.sequenceNumber}, ${ahead.length} ahead of main`;
  return isForward ? at : `${at}, ${behind.length} behind it: main went on`;
}

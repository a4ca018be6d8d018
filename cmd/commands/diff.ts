/** `tarn diff`: rows that differ between two moments of a table, or between two tables. */

import { LakeError } from "../../core/base/errors.ts";
import { thousands } from "../../core/base/quantity.ts";
import type { Diff } from "../../core/engine.ts";
import { defineTool, type Invocation, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import { diffOf, isSame } from "../lake/diff.ts";
import { openSession, type Session } from "../open.ts";
import { rowChangeText } from "../render/row-change.ts";

const ARGS = {
  branch: {
    type: "string",
    valueHint: "NAME",
    description: "each table of this branch, or those that are named, against main",
  },
  key: { type: "string", valueHint: "COLUMNS", description: "columns that name a row" },
  limit: { type: "string", default: "10", valueHint: "N", description: "rows to show" },
  "exit-code": { type: "boolean", description: "exit with 4 when something differs" },
} as const;

export const command = defineTool({
  name: "diff",
  description: "Rows that differ between two moments of a table, or between two tables.",
  args: ARGS,
  examples: [
    "tarn diff silver.orders@-1",
    "tarn diff silver.orders@11 silver.orders@12",
    "tarn diff --branch fix",
  ],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    if (args.branch !== undefined) return await diffBranch(invocation, session, args.branch);
    const [before, after = null] = args._;
    if (before === undefined) {
      throw new LakeError("usage", "diff needs a table and a version", {
        hint: "tarn diff silver.orders@-1   (against now), or two: orders@11 @12",
      });
    }
    const limit = countOf(args.limit);
    const key = args.key?.split(",") ?? null;
    const diff = await diffOf(session, { before, after, key, limit });
    if (terminal.json) terminal.document(diffObject(diff));
    else printDiff(terminal, diff);
    return args["exit-code"] === true && !isSame(diff) ? EXIT.changed : EXIT.ok;
  },
});

/** What promoting the branch would change, table by table. */
async function diffBranch(
  { args, terminal }: Invocation<typeof ARGS>,
  session: Session,
  branch: string,
): Promise<number> {
  const { branchDiffOf } = await import("../lake/branch-diff.ts");
  const key = args.key?.split(",") ?? null;
  // parse: every word that is no flag is in `_`
  const tables = args._ as readonly string[]; // parse: see above
  const asked = { branch, tables, key, limit: countOf(args.limit) };
  const found = await branchDiffOf(session, asked);
  for (const { table, diff, added, removed } of found) {
    if (terminal.json) {
      terminal.document({ table, branch, ...diffObject(diff), columns: { added, removed } });
      continue;
    }
    terminal.line(table);
    for (const column of added) terminal.line(`  + column ${column}`);
    for (const column of removed) terminal.line(`  - column ${column}`);
    printDiff(terminal, diff);
  }
  if (found.length === 0) terminal.note(`${branch} has no table of its own`);
  const differs = found.some(
    ({ diff, added, removed }) => !isSame(diff) || added.length + removed.length > 0,
  );
  return args["exit-code"] === true && differs ? EXIT.changed : EXIT.ok;
}

/** Counts and a sample of changed rows, as people read them. */
function printDiff(terminal: Terminal, diff: Diff): void {
  const { style } = terminal;
  terminal.line(
    `${style.green(`+${thousands(diff.added)} added`)}   ` +
      `${style.yellow(`~${thousands(diff.changed)} changed`)}   ` +
      `${style.red(`-${thousands(diff.removed)} removed`)}`,
  );
  for (const row of diff.sample) terminal.line(rowChangeText(row));
  const shown = BigInt(diff.sample.length);
  const total = diff.added + diff.removed + diff.changed;
  if (total > shown) terminal.note(`  … ${thousands(total - shown)} more (--limit)`);
}

function diffObject(diff: Diff) {
  return {
    schema: "tarn.diff/1",
    added: diff.added,
    removed: diff.removed,
    changed: diff.changed,
    sample: diff.sample.map((row) => ({
      change: row.change,
      key: { ...row.key },
      values: row.values.map((value) => ({ ...value })),
    })),
  };
}

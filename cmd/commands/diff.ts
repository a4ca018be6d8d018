/** `tarn diff`: rows that differ between two moments of a table, or between two tables. */

import { thousands } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Diff } from "../../core/engine.ts";
import type { Scan } from "../../core/table/types.ts";
import { defineTool, type Terminal } from "../command.ts";
import { countOf } from "../count.ts";
import { EXIT } from "../exit.ts";
import { splitVersion, versionRef } from "../lake/version-ref.ts";
import { openSession, type Session } from "../open.ts";
import { printable } from "../render/style.ts";

export const command = defineTool({
  name: "diff",
  description: "Rows that differ between two moments of a table, or between two tables.",
  args: {
    key: { type: "string", valueHint: "COLUMNS", description: "columns that name a row" },
    limit: { type: "string", default: "10", valueHint: "N", description: "rows to show" },
    "exit-code": { type: "boolean", description: "exit with 4 when something differs" },
  },
  examples: ["tarn diff silver.orders@-1", "tarn diff silver.orders@11 silver.orders@12"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const [first, second] = args._;
    if (first === undefined) {
      throw new LakeError("usage", "diff needs a table and a version", {
        hint: "tarn diff silver.orders@-1   (against now), or two: orders@11 @12",
      });
    }
    const left = splitVersion(first);
    const name = await session.tableName(left.name);
    const before = await scanAt(
      session,
      name,
      left.version ?? (second === undefined ? "-1" : null),
    );
    const right = second === undefined ? { name: "", version: null } : splitVersion(second);
    const other = right.name === "" ? name : await session.tableName(right.name);
    const after = await scanAt(session, other, right.version);
    const model = session.project.models.find((candidate) => candidate.name === name);
    const limit = countOf(args.limit);
    const key = args.key === undefined ? (model?.key ?? []) : args.key.split(",");
    const diff = await session.ports.engine.diff({ before, after, key, limit });
    if (terminal.json) terminal.document(diffObject(diff));
    else printDiff(terminal, diff);
    const same = diff.added === 0n && diff.removed === 0n && diff.changed === 0n;
    return args["exit-code"] === true && !same ? EXIT.changed : EXIT.ok;
  },
});

async function scanAt(session: Session, name: string, version: string | null): Promise<Scan> {
  const table = await session.catalog.load(name);
  if (table === null) throw new LakeError("not-found", `${name} has no data yet`);
  const ref =
    version === null ? ({ kind: "current" } as const) : await versionRef(session, version);
  return session.catalog.scan(table, await session.catalog.resolve(table, ref));
}

/** Counts and a sample of changed rows, as people read them. */
export function printDiff(terminal: Terminal, diff: Diff): void {
  const { style } = terminal;
  terminal.line(
    `${style.green(`+${thousands(diff.added)} added`)}   ` +
      `${style.yellow(`~${thousands(diff.changed)} changed`)}   ` +
      `${style.red(`-${thousands(diff.removed)} removed`)}`,
  );
  const signs = { added: "+", removed: "-", changed: "~" } as const;
  for (const row of diff.sample) {
    const key = Object.entries(row.key).map(([column, value]) => `${column} ${value ?? "NULL"}`);
    const values = row.values.map((value) => {
      const [from, to] = [value.before ?? "NULL", value.after ?? "NULL"];
      if (row.change === "changed") return `${value.column} ${from} → ${to}`;
      return `${value.column} ${row.change === "added" ? to : from}`;
    });
    terminal.line(printable(`${signs[row.change]} ${[...key, ...values].join("   ")}`));
  }
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

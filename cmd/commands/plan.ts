/** `tarn plan`: what a build would do, and why; nothing is changed. */

import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { breakText } from "../../core/contract/compatibility.ts";
import { differenceTexts } from "../../core/contract/differences.ts";
import { defineTool, SELECTION_ARGS, selectionOf, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { bytesText } from "../format/numbers.ts";
import type { PendingContract } from "../lake/contracts.ts";
import { isDue, type PlanStep, planOf } from "../lake/plan.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";

export const command = defineTool({
  name: "plan",
  description: "Say what a build would do and why. Nothing is changed.",
  args: {
    ...SELECTION_ARGS,
    "exit-code": { type: "boolean", description: "exit with 4 when there is something to do" },
    format: {
      type: "string",
      default: "text",
      valueHint: "text|json",
      description: "json: a document for each step, as --json",
    },
  },
  examples: ["tarn plan", "tarn plan silver.orders+ --exit-code", "tarn plan --format json"],
  async run(invocation) {
    const { args } = invocation;
    if (args.format !== "text" && args.format !== "json") {
      throw new LakeError("usage", `--format is text or json, not "${args.format}"`);
    }
    const json = invocation.terminal.json || args.format === "json";
    const terminal = { ...invocation.terminal, json };
    await using session = await openSession(invocation, { engine: null });
    const steps = await planOf(session, selectionOf(args));
    for (const step of steps) print(terminal, step);
    const due = steps.some(isDue);
    if (!json) terminal.note(due ? "nothing was changed; apply with: tarn build" : "nothing to do");
    return due && args["exit-code"] === true ? EXIT.changed : EXIT.ok;
  },
});

function printContract(
  terminal: Terminal,
  { table, source, version, mode, differences, incompatibilities }: PendingContract,
): void {
  if (terminal.json) {
    const changes = differences.map((each) => ({ ...each }));
    const breaks = incompatibilities.map((each) => ({ ...each }));
    const of = { table, plan: "contract", source, version, compatibility: mode };
    terminal.document({ ...of, changes, incompatibilities: breaks });
    return;
  }
  const head = `  ${table.padEnd(28)} contract     `;
  for (const text of differenceTexts(differences)) terminal.line(`${head}${printable(text)}`);
  for (const each of incompatibilities) {
    const words = `✖ ${each.direction} v${each.version} ${each.rule}`;
    terminal.line(`${head}${words}: ${printable(breakText(each))} (compatibility: ${mode})`);
  }
}

function print(terminal: Terminal, step: PlanStep): void {
  const { table } = step;
  if (step.kind === "land") {
    const { files, schema } = step;
    if (terminal.json) terminal.document({ table, plan: "land", files, schema });
    else {
      const closed = schema === null ? "" : ", rows with undeclared fields set aside (no schema:)";
      terminal.line(`  ${table.padEnd(28)} land         ${counted(files, "file")}${closed}`);
    }
    return;
  }
  if (step.kind === "contract") {
    printContract(terminal, step);
    return;
  }
  if (step.kind === "reread") {
    const { source, reasons } = step;
    if (terminal.json) terminal.document({ table, plan: "reread", source, reasons: [...reasons] });
    for (const reason of terminal.json ? [] : reasons) {
      terminal.line(`  ${table.padEnd(28)} reread       ${reason}: tarn reread ${source}`);
    }
    return;
  }
  const { plan, reason, owner, change, cost, tests } = step;
  if (terminal.json) {
    const costs = cost === null ? null : { ...cost };
    const is = change === null ? null : { ...change };
    terminal.document({ table, plan, reason, owner, change: is, cost: costs, tests: [...tests] });
    return;
  }
  const whose = owner === null ? "" : ` · ${printable(owner)}`;
  terminal.line(`  ${table.padEnd(28)} ${plan.padEnd(12)} ${reason}${whose}`);
  // Of a first run all that is said of it says so.
  if (change === null || change.class === "new") return;
  terminal.line(`${UNDER}${change.class}: ${printable(change.why)}`);
  if (cost === null) return;
  const about = tests.length === 0 ? "" : `; ${counted(tests.length, "test")}`;
  const of = plan === "follow" ? "reads at most" : "reads";
  const size = `${counted(cost.rows, "row")}, ${bytesText(cost.bytes)}`;
  terminal.line(`${UNDER}${of} ${size}${about}`);
}

/** Below the reason of a model. */
const UNDER = " ".repeat(44);

/** `tarn reconcile`: whether what was delivered is what there was. */

import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { percentShare } from "../../core/config/shape.ts";
import {
  differingShare,
  isAlarm,
  type ReconciledWindow,
  type Reconciliation,
} from "../../core/ingest/reconciliation.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { keepReconciliations, type Reconciled, reconcileOf } from "../lake/reconcile.ts";
import { openSession } from "../open.ts";
import { printable } from "../render/style.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

/** What was found, to be kept by whoever may write. */
export interface ReconcileArgs {
  readonly found: readonly Reconciliation[];
}

export const runReconcile: EngineCommand<ReconcileArgs> = async (session, { found }) => {
  await keepReconciliations(session, found);
  return EXIT.ok;
};

export const command = defineTool({
  name: "reconcile",
  description: "Compare what was delivered with its sources and with the ledger's account.",
  args: {
    threshold: {
      type: "string",
      valueHint: "PERCENT",
      description: "per cent of a table's rows that may differ before it is an alarm",
    },
  },
  examples: ["tarn reconcile", "tarn reconcile shop --threshold 0 --json"],
  async run(invocation) {
    const { args, terminal, signal } = invocation;
    const given = args.threshold === undefined ? null : percentShare(args.threshold);
    if (args.threshold !== undefined && given === null) {
      throw new LakeError("usage", `--threshold ${args.threshold} is no per cent from 0 to 100`, {
        hint: "tarn reconcile shop --threshold 0.1",
      });
    }
    const threshold = given ?? (await configured(invocation));
    const names = args._;
    const { found, leftOut, failures } = await reconcileOf(invocation, names, signal);
    if (found.length > 0) {
      await onEngine(invocation, "reconcile", runReconcile, { found });
    }
    for (const one of found) print(terminal, one, isAlarm(one, threshold));
    sayLeftOut(terminal, leftOut);
    const alarms = found.filter((one) => isAlarm(one, threshold));
    terminal.note(`${counted(found.length, "comparison")}: ${counted(alarms.length, "alarm")}`);
    if (failures.length > 0)
      throw failures.length === 1 ? failures[0] : new AggregateError(failures);
    return alarms.length > 0 ? EXIT.data : EXIT.ok;
  },
});

async function configured(invocation: Parameters<typeof openSession>[0]): Promise<number> {
  await using session = await openSession(invocation, { engine: null });
  return session.config.reconcile.threshold;
}

function sayLeftOut(terminal: Terminal, leftOut: Reconciled["leftOut"]): void {
  for (const { source, table, why } of leftOut) {
    terminal.note(`  ! ${printable(`${table} of ${source}`)} is not compared: ${printable(why)}`);
  }
}

const SIDES: Readonly<Record<Reconciliation["against"], string>> = {
  source: "the source",
  ledger: "the ledger",
  feed: "its feed",
};

const WINDOWS_SHOWN = 20;

function print(terminal: Terminal, one: Reconciliation, isWrong: boolean): void {
  if (terminal.json) {
    const windows = one.windows.map((window) => ({
      ...window,
      missing: [...window.missing],
      extra: [...window.extra],
      changed: window.changed.map(({ key, columns }) => ({ key, columns: [...columns] })),
    }));
    const told = { uncompared: [...one.uncompared], share: differingShare(one), alarm: isWrong };
    terminal.document({ ...one, ...told, windows });
    return;
  }
  const { table, against, rowsThere, differing, position, uncompared, windows } = one;
  const share = (differingShare(one) * 100).toFixed(2);
  const same = differing === 0 ? "all are here" : `${thousands(differing)} differ (${share} %)`;
  const rows = counted(rowsThere, "row");
  const at = against === "source" ? ` at ${position}` : "";
  terminal.line(printable(`${table.padEnd(26)} ${rows} of ${SIDES[against]}${at} · ${same}`));
  for (const window of windows.slice(0, WINDOWS_SHOWN)) {
    terminal.line(printable(`  ${windowLine(window)}`));
  }
  const more = windows.length - WINDOWS_SHOWN;
  if (more > 0) terminal.line(`  and ${counted(more, "more window")}`);
  if (uncompared.length > 0) {
    terminal.line(printable(`  not compared: ${uncompared.join(", ")}`));
  }
}

function windowLine(found: ReconciledWindow): string {
  const { window, rowsThere, rowsHere, missing, extra, changed, note } = found;
  const others = changed.map(({ key, columns }) => `${key} (${columns.join(", ")})`);
  const parts = [
    `${rowsThere} there, ${rowsHere} here`,
    ...(missing.length === 0 ? [] : [`missing here: ${missing.join("; ")}`]),
    ...(extra.length === 0 ? [] : [`only here: ${extra.join("; ")}`]),
    ...(others.length === 0 ? [] : [`other values: ${others.join("; ")}`]),
    ...(note === null ? [] : [note]),
  ];
  return `${window}: ${parts.join(" · ")}`;
}

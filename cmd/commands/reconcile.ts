/** `tarn reconcile`: whether the keys of a source are those that were delivered. */

import { LakeError } from "../../core/base/errors.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type ReconciledTable, reconcileOf } from "../lake/reconcile.ts";
import { printable } from "../render/style.ts";

/** Per cent of the keys that may differ. */
const THRESHOLD = "0.1";

export const command = defineTool({
  name: "reconcile",
  description: "Compare the keys of a source with those that were delivered, at one position.",
  args: {
    threshold: {
      type: "string",
      default: THRESHOLD,
      valueHint: "PERCENT",
      description: "per cent of a table's keys that may differ before it is an alarm",
    },
  },
  examples: ["tarn reconcile shop", "tarn reconcile shop --threshold 0 --json"],
  async run(invocation) {
    const { args, terminal, signal } = invocation;
    const [name] = args._;
    const threshold = Number(args.threshold);
    if (name === undefined || !(threshold >= 0 && threshold <= 100)) {
      throw new LakeError("usage", "reconcile needs a source, and a threshold from 0 to 100", {
        hint: "tarn reconcile shop --threshold 0.1",
      });
    }
    const { at, tables, leftOut } = await reconcileOf(invocation, name, signal);
    for (const table of tables) print(terminal, table);
    for (const { table, why } of leftOut) terminal.note(`  ! ${table} is not compared: ${why}`);
    const alarms = tables.filter(({ share }) => share * 100 > threshold);
    terminal.note(`compared at ${at}: ${counted(alarms.length, "alarm")}`);
    return alarms.length > 0 ? EXIT.data : EXIT.ok;
  },
});

function print(terminal: Terminal, { source, table, keys, windows, share }: ReconciledTable): void {
  if (terminal.json) {
    const told = windows.map((each) => ({
      ...each,
      missing: [...each.missing],
      extra: [...each.extra],
    }));
    terminal.document({ source, table, keys, share, windows: told });
    return;
  }
  const same = windows.length === 0 ? "all are here" : `${(share * 100).toFixed(2)} % differ`;
  terminal.line(printable(`${table.padEnd(26)} ${thousands(keys)} keys · ${same}`));
  for (const { window, thereKeys, hereKeys, missing, extra } of windows) {
    const parts = [
      `${thereKeys} there, ${hereKeys} here`,
      ...(missing.length === 0 ? [] : [`missing here: ${missing.join("; ")}`]),
      ...(extra.length === 0 ? [] : [`only here: ${extra.join("; ")}`]),
    ];
    terminal.line(printable(`  ${window}: ${parts.join(" · ")}`));
  }
}

/** `tarn doctor`: the installation and the lake, checked piece by piece. */

import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { findingsOf, installationOf } from "../lake/doctor.ts";
import type { Finding } from "../lake/finding.ts";
import { openSession } from "../open.ts";
import { findProject } from "../project/project.ts";

export const command = defineTool({
  name: "doctor",
  description:
    "Check the installation and the lake: every live file and its size; with --deep its rows, counted " +
    "against the ledger.",
  args: {
    deep: { type: "boolean", description: "read every footer, and count rows against the ledger" },
  },
  examples: ["tarn doctor", "tarn doctor --deep"],
  async run(invocation) {
    const { terminal, args, folder } = invocation;
    const findings: Finding[] = [await installationOf()];
    if ((await findProject(folder)) === null) {
      findings.push({ check: "project", state: "ok", text: "not in a project" });
    } else {
      await using session = await openSession(invocation, { engine: null });
      findings.push(...(await findingsOf(session, args.deep === true)));
    }
    for (const finding of findings) print(terminal, finding);
    return findings.some((finding) => finding.state === "bad") ? EXIT.data : EXIT.ok;
  },
});

function print(terminal: Terminal, finding: Finding): void {
  if (terminal.json) {
    terminal.document({ ...finding });
    return;
  }
  const { style } = terminal;
  const sign = { ok: style.green("✔"), warn: style.yellow("!"), bad: style.red("✖") };
  terminal.line(`${sign[finding.state]} ${finding.check.padEnd(28)} ${finding.text}`);
  if (finding.todo !== undefined) terminal.line(`  ${"".padEnd(28)} → ${finding.todo}`);
}

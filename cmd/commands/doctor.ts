/** `tarn doctor`: the installation and the lake, checked piece by piece. */

import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type Finding, findingsOf, installationOf } from "../lake/doctor.ts";
import { openSession } from "../open.ts";
import { findProject } from "../project/project.ts";

export const command = defineTool({
  name: "doctor",
  description:
    "Check the installation and the lake: every live file, its size, and with --deep its rows.",
  args: { deep: { type: "boolean", description: "read the footer of every live file" } },
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

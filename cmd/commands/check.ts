/** `tarn check`: configuration and models validated without touching data. */

import { counted } from "../../core/base/quantity.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type Checked, checkOf } from "../lake/check.ts";
import { validConfig } from "../lake/config.ts";
import { openSession } from "../open.ts";

export const command = defineTool({
  name: "check",
  description: "Validate configuration, models and tests. No data is read or written.",
  args: { strict: { type: "boolean", description: "warnings fail too" } },
  examples: ["tarn check", "tarn check --strict --json"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await validConfig(invocation.folder, args);
    await using session = await openSession(invocation, { engine: null });
    const checked = await checkOf(session);
    print(terminal, checked);
    return args.strict === true && checked.warnings.length > 0 ? EXIT.data : EXIT.ok;
  },
});

function print(terminal: Terminal, { sourceCount, modelCount, warnings, notes }: Checked): void {
  if (terminal.json) {
    const messages = warnings.map((warning) => warning.message);
    const schema = "tarn.check/1";
    terminal.document({ schema, models: modelCount, warnings: messages, notes: [...notes] });
    return;
  }
  for (const { message, place } of warnings) {
    const at = place === null ? "" : ` (${place.file}:${place.line})`;
    terminal.line(`${terminal.style.yellow("warning")}: ${message}${at}`);
  }
  for (const note of notes) terminal.line(`note: ${note}`);
  terminal.line(`✔ ${counted(sourceCount, "source")}, ${counted(modelCount, "model")}: valid`);
}

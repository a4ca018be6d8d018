/** `tarn check`: configuration and models validated without touching data. */

import { counted } from "../../core/base/count.ts";
import { columnErrors } from "../../core/model/columns.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession } from "../open.ts";

export const command = defineTool({
  name: "check",
  description: "Validate configuration, models and tests. No data is read or written.",
  args: { strict: { type: "boolean", description: "warnings fail too" } },
  examples: ["tarn check", "tarn check --strict --json"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const answer = await session.graph();
    if (answer.kind === "invalid") return terminal.failures(answer.errors);
    const { catalog, engine, clock } = session.ports;
    const settings = { timezone: session.config.timezone, nowMs: clock.nowMs() };
    const { names, nodes } = answer.graph;
    const wrong = await columnErrors({ catalog, engine }, names, nodes, settings);
    if (wrong.length > 0) return terminal.failures(wrong);
    const warnings = [...session.project.warnings, ...answer.graph.warnings];
    if (terminal.json) {
      terminal.document({
        schema: "tarn.check/1",
        models: answer.graph.nodes.length,
        warnings: warnings.map((warning) => warning.message),
      });
    } else {
      for (const warning of warnings) {
        const at = warning.place === null ? "" : ` (${warning.place.file}:${warning.place.line})`;
        terminal.line(`${terminal.style.yellow("warning")}: ${warning.message}${at}`);
      }
      const sources = counted(answer.graph.request.sources.size, "source");
      const models = counted(answer.graph.nodes.length, "model");
      terminal.line(`✔ ${sources}, ${models}: valid`);
    }
    return args.strict === true && warnings.length > 0 ? EXIT.data : EXIT.ok;
  },
});

/** `tarn artifacts`: manifest.json and run_results.json of a dbt project, for tools that read them. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { artifactsOf } from "../lake/artifacts.ts";
import { openSession } from "../open.ts";

export const command = defineTool({
  name: "artifacts",
  description: "Write manifest.json and run_results.json of a dbt project, as dbt has them.",
  args: {
    dir: {
      type: "string",
      default: "target",
      valueHint: "dir",
      description: "where they go; relative to the project",
    },
  },
  examples: ["tarn artifacts", "tarn artifacts --dir /tmp/docs"],
  async run(invocation) {
    const { args, terminal } = invocation;
    await using session = await openSession(invocation, { engine: null });
    const { manifest, runResults } = await artifactsOf(session);
    const folder = resolve(session.root, args.dir);
    mkdirSync(folder, { recursive: true });
    const files = [
      ["manifest.json", manifest],
      ["run_results.json", runResults],
    ] as const;
    for (const [name, data] of files) {
      const path = join(folder, name);
      writeFileSync(path, `${JSON.stringify(data)}\n`);
      if (terminal.json) terminal.document({ file: path });
      else terminal.line(path);
    }
    return EXIT.ok;
  },
});

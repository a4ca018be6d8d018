/** `tarn config`: the configuration in force, or its JSON Schema for editors. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { configSchema } from "../../core/config.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { loadProject, requireProject } from "../project/project.ts";

export const command = defineTool({
  name: "config",
  description: "Show the configuration in force (show), or its JSON Schema for editors (schema).",
  args: {},
  examples: ["tarn config show", "tarn config schema > tarn.schema.json"],
  async run({ args, terminal, folder }) {
    const [what = "show"] = args._;
    if (what === "schema") {
      terminal.line(stringifyJson(configSchema(), 2));
      return EXIT.ok;
    }
    if (what !== "show") {
      throw new LakeError("usage", `config has no "${what}"`, {
        hint: "config show, config schema",
      });
    }
    const root = await requireProject(resolve(folder));
    const project = await loadProject(root, process.env);
    if (project.config === null) return terminal.failures(project.errors);
    const shown = plain({ file: project.configFile, root, ...project.config });
    terminal.line(stringifyJson(shown, terminal.json ? undefined : 2));
    return EXIT.ok;
  },
});

/** Maps as objects; everything in a configuration is plain data otherwise. */
function plain(value: unknown): Json {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  return typeof value === "bigint" ? value : null;
}

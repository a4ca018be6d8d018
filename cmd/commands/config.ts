/** `tarn config`: the configuration in force, or its JSON Schema for editors. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import { sourceReader } from "../../core/config/sources.ts";
import { NO_CHOICE, variableReader } from "../../core/config/variables.ts";
import { configSchema } from "../../core/config.ts";
import { FORMATS } from "../../sql/decode/formats.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { configOf } from "../lake/config.ts";

export const command = defineTool({
  name: "config",
  description: "Show the configuration in force (show), or its JSON Schema for editors (schema).",
  args: {},
  examples: ["tarn config show", "tarn config schema > tarn.schema.json"],
  async run({ args, terminal, folder }) {
    const [what = "show"] = args._;
    if (what === "schema") {
      const { sourceKinds } = await import("../../storage/sources/kinds.ts");
      const sources = sourceReader({ formats: FORMATS, kinds: await sourceKinds("all") });
      terminal.line(
        stringifyJson(configSchema(sources, variableReader(NO_CHOICE, quoteLiteral)), 2),
      );
      return EXIT.ok;
    }
    if (what !== "show") {
      throw new LakeError("usage", `config has no "${what}"`, {
        hint: "config show, config schema",
      });
    }
    const shown = await configOf(resolve(folder), args);
    terminal.line(stringifyJson(shown, terminal.json ? undefined : 2));
    return EXIT.ok;
  },
});

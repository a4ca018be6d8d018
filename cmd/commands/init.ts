/** `tarn init`: a new project from a template. */

import { resolve } from "node:path";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { initProject, renderInit, TEMPLATE_NAMES } from "../project/init.ts";

export const command = defineTool({
  name: "init",
  description: "Write a new project from a template. Nothing that exists is written over.",
  args: {
    template: {
      type: "string",
      default: "shop",
      valueHint: TEMPLATE_NAMES.join("|"),
      description: "what to start from",
    },
    sample: {
      type: "boolean",
      default: true,
      description: "with example rows to land",
      negativeDescription: "without example rows",
    },
  },
  examples: ["tarn init shop", "tarn init --template empty ."],
  async run({ args, terminal, folder }) {
    const result = await initProject({
      folder: resolve(folder, args._[0] ?? "."),
      template: args.template,
      sample: args.sample,
    });
    if (terminal.json) {
      terminal.document({
        schema: "tarn.init/1",
        root: result.root,
        files: result.files.map((file) => ({ ...file })),
      });
    } else terminal.line(renderInit(result, resolve(folder)));
    return EXIT.ok;
  },
});

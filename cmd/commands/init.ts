/** `tarn init`: a project from a template. */

import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { initProject, renderInit, TEMPLATE_NAMES } from "../init.ts";

export const command = defineTool({
  name: "init",
  description: "Make a project from a template; files that are there are left alone.",
  args: {
    dir: {
      type: "positional",
      required: false,
      default: ".",
      description: "folder of the project",
    },
    template: {
      type: "string",
      default: "files",
      valueHint: TEMPLATE_NAMES.join("|"),
      description: "what it starts with",
    },
    sample: {
      type: "boolean",
      default: true,
      description: "write example rows",
      negativeDescription: "leave the template's example rows out",
    },
  },
  examples: ["tarn init", "tarn init shop --template shop", "tarn init lake --template empty"],
  run: async ({ args, terminal }) => {
    const result = await initProject({
      folder: args.dir ?? ".",
      template: args.template ?? "files",
      sample: args.sample !== false,
    });
    if (terminal.json) {
      const files = result.files.map(({ path, written }) => ({ path, written }));
      terminal.document({ root: result.root, files, next: result.next });
    } else if (!terminal.quiet) {
      terminal.line(renderInit(result, process.cwd()));
    }
    return EXIT.ok;
  },
});

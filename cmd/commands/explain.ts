/** `tarn explain T0203`: what an error means and what to do. */

import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { explainList, explainPage, explainText } from "./explain-pages.ts";

export const command = defineTool({
  name: "explain",
  description: "Explain an error code, or list them.",
  args: {},
  examples: ["tarn explain T0203"],
  async run({ args, terminal }) {
    const [wanted] = args._;
    terminal.line(wanted === undefined ? explainList() : explainText(explainPage(wanted)));
    return EXIT.ok;
  },
});

/** `tarn explain T0203`: what an error means and what to do; and what a key, a system table or a column is. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { explainIds, explainList, explainText, findPage } from "./explain-pages.ts";

export const command = defineTool({
  name: "explain",
  description:
    "Explain an error code, a key of tarn.yaml or of a model, a system table; or list the codes.",
  args: {},
  examples: ["tarn explain T0203", "tarn explain keep.snapshots", "tarn explain lake.ledger"],
  async run({ args, terminal }) {
    const [wanted] = args._;
    if (wanted === undefined) {
      terminal.line(explainList().trimEnd());
      return EXIT.ok;
    }
    const page = findPage(wanted);
    if (page !== null) terminal.line(explainText(page).trimEnd());
    else terminal.line((await referenceOf(wanted)).join("\n\n"));
    return EXIT.ok;
  },
});

const REST = "tarn explain lists the errors; for a command: tarn help COMMAND";

async function referenceOf(wanted: string): Promise<readonly string[]> {
  const { lookUp, words } = await import("../reference/look-up.ts");
  const found = await lookUp(wanted);
  if (found.length > 0) return found;
  const known = [...new Set([...explainIds(), ...(await words())])];
  const near = nearestWord(wanted, known);
  throw new LakeError("not-found", `nothing here is called "${wanted}"`, {
    hint: near === null ? REST : `did you mean "${near}"?\n${REST}`,
  });
}

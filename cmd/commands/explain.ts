/** `tarn explain T0203`: what an error means and what to do; and what a key, a system table or a column is. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import { defineTool, type Invocation } from "../command.ts";
import { EXIT } from "../exit.ts";
import { explainIds, explainList, explainText, findPage } from "./explain-pages.ts";

export const command = defineTool({
  name: "explain",
  description:
    "Explain an error code, a key of tarn.yaml or of a model, a system table; or list the codes.",
  args: {},
  examples: [
    "tarn explain watermark gold.hourly",
    "tarn explain T0203",
    "tarn explain keep.snapshots",
    "tarn explain lake.ledger",
  ],
  async run(invocation) {
    const { args, terminal } = invocation;
    const [wanted, model = null] = args._;
    if (wanted === "watermark" && (await explainedWatermarks(invocation, model))) return EXIT.ok;
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

/** False where no model of a project closes its windows: then the word is that of a setting. */
async function explainedWatermarks(
  invocation: Invocation<Record<string, never>>,
  model: string | null,
): Promise<boolean> {
  const { terminal } = invocation;
  const { findProject } = await import("../project/project.ts");
  if (model === null && (await findProject(invocation.folder)) === null) return false;
  const { openSession } = await import("../open.ts");
  const { watermarksOf } = await import("../lake/watermark.ts");
  const { watermarkDocument, watermarkLines } = await import("../render/watermark-lines.ts");
  await using session = await openSession(invocation, { engine: null });
  const found = await watermarksOf(session, model);
  const nowMs = session.ports.clock.nowMs();
  for (const one of found) {
    if (terminal.json) terminal.document(watermarkDocument(one));
    else for (const line of watermarkLines(one, nowMs)) terminal.line(line);
  }
  return found.length > 0;
}

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

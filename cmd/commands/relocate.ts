/** `tarn relocate`: makes a moved or copied lake one of its own, under the folder it is in now. */

import { counted } from "../../core/base/quantity.ts";
import { relocateLake } from "../../storage/catalog/relocate.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { openSession } from "../open.ts";

export const command = defineTool({
  name: "relocate",
  description:
    "Adopt a moved or copied lake: its metadata is rewritten for this folder, under a new lake id.",
  args: {},
  examples: ["cp -a shop shop-copy && tarn -C shop-copy relocate"],
  async run(invocation) {
    const { terminal } = invocation;
    const { warehouse, writable } = await (async () => {
      await using session = await openSession(invocation, { engine: null });
      return { warehouse: session.warehouse, writable: session.catalog.writable };
    })();
    void writable;
    const moved = await relocateLake({ root: warehouse, clock: systemClock, random: systemRandom });
    if (terminal.json) terminal.document({ schema: "tarn.relocate/1", ...moved });
    else terminal.line(`${counted(moved.tables, "table")} now live under ${warehouse}`);
    return EXIT.ok;
  },
});

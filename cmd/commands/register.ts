/** `tarn register`: an Iceberg table of another catalog, with all of its past and without a copy of its data. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { defineTool } from "../command.ts";
import { bytesText } from "../format/numbers.ts";
import { onEngine } from "../serve/engine-command.ts";
import { LazyLake } from "../shell/lake.ts";
import { runRegister } from "./register-run.ts";

export const command = defineTool({
  name: "register",
  description:
    "Take an Iceberg table of another catalog into the lake; its files stay where they are, too.",
  args: {
    copy: { type: "boolean", description: "copy data files that lie on another disk" },
  },
  examples: [
    "tarn register gold.prices /data/warehouse/prices",
    "tarn register gold.prices /data/warehouse/prices/metadata/00012-9f6c.metadata.json",
  ],
  async run(invocation) {
    const { terminal, args } = invocation;
    const [name, path, more] = args._;
    if (name === undefined || path === undefined || more !== undefined) {
      throw new LakeError("usage", "register needs a name, and a table's folder or metadata file", {
        hint: "tarn register gold.prices /data/warehouse/prices",
      });
    }
    const staged = await (async () => {
      await using lake = new LazyLake(invocation);
      const { stageTable } = await import("../lake/register.ts");
      return await stageTable(await lake.needMade(), {
        name,
        path: resolve(path),
        copy: args.copy === true,
      });
    })();
    const { adopted, metadataLocation } = staged;
    const code = await onEngine(invocation, "register", runRegister, {
      name: staged.name,
      metadataLocation,
    });
    if (adopted !== null && code === 0) {
      const copied = adopted.copiedBytes === 0 ? "" : `, ${bytesText(adopted.copiedBytes)} copied`;
      terminal.note(
        `${counted(adopted.files, "file")}, ${adopted.linked} of them the same bytes under a second name${copied}`,
      );
    }
    return code;
  },
});

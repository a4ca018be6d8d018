/** `tarn connect`: settings for other engines, to be pasted. */

import { LakeError } from "../../core/base/errors.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { connectionOf, ENGINES, settingsFor } from "../lake/connect.ts";

export const command = defineTool({
  name: "connect",
  description: "Settings with which another engine works on the lake that `tarn up` serves.",
  args: {},
  examples: ["tarn connect pyiceberg", "tarn connect spark", "tarn connect duckdb"],
  async run({ args, terminal, folder }) {
    const [engine] = args._;
    if (engine === undefined) {
      throw new LakeError("usage", "connect needs an engine", { hint: ENGINES.join(", ") });
    }
    const connection = await connectionOf(folder);
    const lines = settingsFor(engine, connection);
    const { uri, tokenFile, isServed } = connection;
    if (terminal.json) {
      terminal.document({ engine, uri, token_file: tokenFile, served: isServed, lines });
      return EXIT.ok;
    }
    for (const line of lines) terminal.line(line);
    if (isServed) return EXIT.ok;
    const { host } = new URL(uri);
    terminal.note(`! tarn up does not serve it yet: add to tarn.yaml: serve: { http: ${host} }`);
    return EXIT.ok;
  },
});

/** `tarn secret`: values that tarn.yaml only names; they are typed or piped, never given as a word. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { suggestion } from "../../core/base/suggest.ts";
import { secretNameFault } from "../../core/config/secret.ts";
import { withoutLineEnd } from "../../storage/disk/secrets.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { dropSecret, secretsOf, setSecret } from "../lake/secrets.ts";
import { askHidden, pipedText } from "./hidden-input.ts";

const ACTIONS = ["set", "ls", "rm"] as const;

export const command = defineTool({
  name: "secret",
  description: `Values that tarn.yaml names as \${secret:NAME}: set NAME, ls, rm NAME.`,
  args: {},
  examples: ["tarn secret set shop_password", "pass show shop | tarn secret set shop_password"],
  async run({ args, terminal, folder }) {
    const [action = "ls", name, ...more] = args._;
    const at = resolve(folder);
    if (action === "ls") {
      const known = await secretsOf(at);
      if (known.length === 0) terminal.note("none is named or stored: tarn secret set NAME");
      for (const secret of known) {
        if (terminal.json) terminal.document({ ...secret, sources: [...secret.sources] });
        else {
          const used = secret.sources.length === 0 ? "" : ` · ${secret.sources.join(", ")}`;
          const from = secret.from === "nowhere" ? `tarn secret set ${secret.name}` : secret.from;
          terminal.line(`${secret.name.padEnd(24)} ${from}${used}`);
        }
      }
      return EXIT.ok;
    }
    if (action !== "set" && action !== "rm") {
      throw new LakeError("usage", `secret has no "${action}"`, {
        hint: suggestion(action, ACTIONS, "actions"),
      });
    }
    if (name === undefined) {
      throw new LakeError("usage", `secret ${action} needs a name`, {
        hint: `tarn secret ${action} shop_password`,
      });
    }
    if (more.length > 0) {
      throw new LakeError("usage", "a secret is typed or piped, for others see what commands say", {
        hint: `tarn secret ${action} ${name}; take the value out of your shell's history, too`,
      });
    }
    const fault = secretNameFault(name);
    if (fault !== null) throw new LakeError("usage", fault);
    if (action === "rm") {
      if (await dropSecret(at, name)) {
        terminal.note(`${name} is no longer stored`);
        return EXIT.ok;
      }
      throw new LakeError("not-found", `no secret ${name} is stored`, { hint: "tarn secret ls" });
    }
    const typed = process.stdin.isTTY === true ? await askHidden(`${name}: `) : await pipedText();
    await setSecret(at, name, withoutLineEnd(typed));
    terminal.note(`${name} is stored; \${secret:${name}} stands for it in tarn.yaml`);
    return EXIT.ok;
  },
});

/** `tarn tag`: a name for a moment of the whole lake. */

import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { removeTag, setTag, tagsOf } from "../lake/tags.ts";
import { openSession } from "../open.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";

export interface TagArgs {
  readonly name: string | null;
  readonly at: string | null;
  readonly remove: boolean;
  /** Moves a tag that names another moment already. */
  readonly force: boolean;
}

export const runTag: EngineCommand<TagArgs> = async (session, args, terminal) => {
  if (args.name === null) {
    for (const { name, commit, timeMs } of await tagsOf(session)) {
      const time = new Date(timeMs).toISOString();
      if (terminal.json) terminal.document({ tag: name, commit, time });
      else terminal.line(`${name.padEnd(24)} commit ${commit}   ${time}`);
    }
  } else if (args.remove) {
    await removeTag(session, args.name);
    terminal.note(`tag ${args.name} is removed; its snapshots now age like others`);
  } else {
    const { name, at, force } = args;
    const { commit, movedFrom } = await setTag(session, { name, at, force });
    if (movedFrom !== null) terminal.note(`tag ${name} is moved from commit ${movedFrom}`);
    terminal.note(
      `tag ${name} names commit ${commit}; read it with: ` +
        `tarn sql -c "from … at (tag => '${name}')"`,
    );
  }
  return EXIT.ok;
};

export const command = defineTool({
  name: "tag",
  description: "Name a moment of the whole lake; without a name, list the tags.",
  args: {
    at: { type: "string", valueHint: "TIME", description: "the moment; now unless given" },
    remove: { type: "boolean", description: "remove the tag" },
    force: { type: "boolean", description: "move a tag that is there" },
  },
  examples: ["tarn tag month-end", 'tarn tag before-fix --at "2026-11-20 09:00"', "tarn tag"],
  async run(invocation) {
    const args = {
      name: invocation.args._[0] ?? null,
      at: invocation.args.at ?? null,
      remove: invocation.args.remove === true,
      force: invocation.args.force === true,
    };
    if (args.name !== null) return await onEngine(invocation, "tag", runTag, args);
    // To list them is to read.
    await using session = await openSession(invocation, { engine: null });
    return await runTag(session, args, invocation.terminal, invocation.signal);
  },
});

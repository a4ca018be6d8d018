/** `tarn tag`: a name for a moment of the whole lake. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { CommitInfo } from "../../core/table/commit.ts";
import { defineTool } from "../command.ts";
import { EXIT } from "../exit.ts";
import { type EngineCommand, onEngine } from "../serve/engine-command.ts";
import { momentOf } from "./replay.ts";

export interface TagArgs {
  readonly name: string | null;
  readonly at: string | null;
  readonly remove: boolean;
  /** Moves a tag that names another moment already. */
  readonly force: boolean;
}

const TAG_NAME = /^[\p{L}_][\p{L}\p{N}_.-]{0,99}$/u;

export const runTag: EngineCommand<TagArgs> = async (session, args, terminal) => {
  const { catalog } = session;
  if (args.name === null) {
    for (const [name, commit] of await catalog.tags()) {
      const time = new Date(commit.timeMs).toISOString();
      if (terminal.json) terminal.document({ tag: name, commit: commit.number, time });
      else terminal.line(`${name.padEnd(24)} commit ${commit.number}   ${time}`);
    }
    return EXIT.ok;
  }
  if (!TAG_NAME.test(args.name)) {
    throw new LakeError("usage", `"${args.name}" cannot be a tag`, {
      hint: "letters, digits, _ . and -, beginning with a letter",
    });
  }
  if (args.remove) {
    const names = [...(await catalog.tags()).keys()];
    if (!names.includes(args.name)) {
      const near = nearestWord(args.name, names);
      throw new LakeError("not-found", `there is no tag "${args.name}"`, {
        hint: near === null ? "see: tarn tag" : `did you mean "${near}"?`,
      });
    }
    await catalog.setTag(args.name, null);
    terminal.note(`tag ${args.name} is removed; its snapshots now age like others`);
    return EXIT.ok;
  }
  const timeMs = args.at === null ? session.ports.clock.nowMs() : await momentOf(session, args.at);
  const commit = await catalog.commitAt(timeMs);
  if (commit === null) {
    throw new LakeError("not-found", "the lake had no commit then", { hint: "see: tarn log" });
  }
  const before = (await catalog.tags()).get(args.name);
  const isMoved = before !== undefined && before.number !== commit.number;
  if (isMoved && !args.force) throw namesAnother(args.name, before);
  await catalog.setTag(args.name, commit.number);
  if (isMoved) terminal.note(`tag ${args.name} is moved from commit ${before.number}`);
  terminal.note(
    `tag ${args.name} names commit ${commit.number}; read it with: ` +
      `tarn sql -c "from … at (tag => '${args.name}')"`,
  );
  return EXIT.ok;
};

/** Whoever reads by the name would read something else from now on. */
function namesAnother(name: string, { number, timeMs }: CommitInfo): LakeError {
  const time = new Date(timeMs).toISOString();
  return new LakeError(
    "conflict",
    `the tag ${name} is there already: commit ${number} of ${time}`,
    {
      hint: `take another name, or move it, for models and people that read by it too: tarn tag ${name} --force`,
      context: { tag: name, commit: number },
    },
  );
}

export const command = defineTool({
  name: "tag",
  description: "Name a moment of the whole lake; without a name, list the tags.",
  args: {
    at: { type: "string", valueHint: "TIME", description: "the moment; now unless given" },
    remove: { type: "boolean", description: "remove the tag" },
    force: { type: "boolean", description: "move a tag that is there" },
  },
  examples: ["tarn tag month-end", 'tarn tag before-fix --at "2026-11-20 09:00"', "tarn tag"],
  run: (invocation) =>
    onEngine(invocation, "tag", {
      name: invocation.args._[0] ?? null,
      at: invocation.args.at ?? null,
      remove: invocation.args.remove === true,
      force: invocation.args.force === true,
    }),
});

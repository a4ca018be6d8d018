/** `tarn backup`: a copy of the lake as of one moment, beside whatever runs. */

import { resolve } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import { systemClock, systemRandom } from "../clock.ts";
import { defineTool, type Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import { bytesText } from "../format/numbers.ts";
import type { ProjectBackup } from "../lake/backup.ts";
import { openSession } from "../open.ts";

/** Problems printed one by one. */
const SHOWN_MAX = 20;

export const command = defineTool({
  name: "backup",
  description:
    "Copy the lake as of one moment, while it is used; again into the same folder copies only what is new.",
  args: {
    verify: {
      type: "boolean",
      description:
        "copy nothing: read every file of the backup and compare it with what was copied",
    },
    link: {
      type: "boolean",
      description:
        "hard links in place of copies, on the same disk: quick, and lost with that disk",
    },
    force: { type: "boolean", description: "also over a backup of a later state" },
  },
  examples: ["tarn backup /mnt/backup/shop", "tarn backup /mnt/backup/shop --verify"],
  async run(invocation) {
    const { terminal, args, signal } = invocation;
    const [folder, second] = args._;
    if (folder === undefined || second !== undefined) {
      throw new LakeError("usage", "backup needs one folder", {
        hint: "tarn backup /mnt/backup/shop",
      });
    }
    if (args.verify === true) return await verify(resolve(folder), terminal);
    await using session = await openSession(invocation, { engine: null });
    const { backupOf } = await import("../lake/backup.ts");
    const request = { folder, link: args.link === true, force: args.force === true };
    const isWatched = terminal.interactive && !terminal.json;
    const done = await backupOf(session, request, signal, (text) => {
      if (isWatched) terminal.note(`  ${text}`);
    });
    return report(done, folder, terminal);
  },
});

function report(done: ProjectBackup, folder: string, terminal: Terminal): number {
  const { commit, finished } = done;
  if (terminal.json) {
    terminal.document({
      schema: "tarn.backup/1",
      folder: done.folder,
      lake: done.lakeId,
      commit: commit?.number ?? null,
      commit_time: commit === null ? null : new Date(commit.timeMs).toISOString(),
      tables: done.tables,
      files: done.files,
      copied: done.copied,
      copied_bytes: done.copiedBytes,
      removed: done.removed,
      outside: [...done.outside],
      problems: [...done.problems],
      finished,
    });
  } else if (finished) {
    const at = commit === null ? "an empty lake" : `commit ${commit.number}`;
    const size = bytesText(done.copiedBytes);
    const gone = done.removed === 0 ? "" : `, ${done.removed} removed`;
    terminal.line(
      `${folder} holds ${at}: ${counted(done.tables, "table")}, ${counted(done.files, "file")}, ` +
        `${done.copied} of them copied now (${size})${gone}`,
    );
  }
  if (!finished) {
    terminal.note(`stopped on the way; to finish it: tarn backup ${folder}`);
    return EXIT.interrupted;
  }
  for (const table of done.outside) {
    terminal.note(`${table} has files outside of the lake, which are not in the backup`);
  }
  if (done.configAs !== null) {
    terminal.note(`tarn.yaml says where the lake lies, so its copy is called ${done.configAs}`);
  }
  return problems(done.problems, terminal, {
    what: "the lake is damaged, and the rest of it is copied",
    hint: "tarn doctor --deep says what of the lake is damaged",
  });
}

async function verify(folder: string, terminal: Terminal): Promise<number> {
  const { checkBackup } = await import("../../storage/catalog/backup-check.ts");
  const ports = { clock: systemClock, random: systemRandom };
  const found = await checkBackup(folder, ports);
  const { files, bytes, commit, made } = found;
  if (terminal.json) {
    terminal.document({
      schema: "tarn.backup.verify/1",
      folder,
      commit,
      made,
      files,
      bytes,
      problems: [...found.problems],
    });
  } else if (found.problems.length === 0) {
    const at = commit === null ? "an empty lake" : `commit ${commit}`;
    terminal.line(
      `${counted(files, "file")} of ${at} as they were copied, ${bytesText(bytes)}, made ${made}`,
    );
  }
  return problems(found.problems, terminal, {
    what: "the backup is damaged",
    hint: "remove the files that are named, then copy them again: tarn backup, the same folder",
  });
}

function problems(
  found: readonly string[],
  terminal: Terminal,
  { what, hint }: { readonly what: string; readonly hint: string },
): number {
  if (found.length === 0) return EXIT.ok;
  if (terminal.json) return EXIT.data;
  for (const problem of found.slice(0, SHOWN_MAX)) terminal.line(`✖ ${problem}`);
  if (found.length > SHOWN_MAX) terminal.line(`and ${found.length - SHOWN_MAX} more (--json)`);
  return terminal.failures([
    new LakeError("corrupt", `${counted(found.length, "problem")}: ${what}`, { hint }),
  ]);
}

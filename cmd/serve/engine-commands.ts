/** The commands that need the engine lease, by the name they are asked for over the socket. */

import { runBuild } from "../commands/build.ts";
import { runLoad } from "../commands/load.ts";
import { runQuarantine } from "../commands/quarantine.ts";
import { runReplay } from "../commands/replay.ts";
import { runRestore } from "../commands/restore.ts";
import { runTag } from "../commands/tag.ts";

export const ENGINE_COMMANDS = {
  build: runBuild,
  load: runLoad,
  replay: runReplay,
  restore: runRestore,
  quarantine: runQuarantine,
  tag: runTag,
} as const;

/** `tarn replay --from-originals`: bronze decoded again from the kept originals. */

import { LakeError } from "../../core/base/errors.ts";
import type { Terminal } from "../command.ts";
import type { ProjectGraph } from "../models.ts";
import type { Session } from "../open.ts";
import type { ReplayArgs } from "./replay.ts";

export async function replayOriginals(
  _session: Session,
  _graph: ProjectGraph,
  _args: ReplayArgs,
  _terminal: Terminal,
  _signal: AbortSignal,
): Promise<void> {
  throw new LakeError("unsupported", "replay from originals is not there yet");
}

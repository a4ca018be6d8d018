/** What a build is asked for, and by whom it is followed. */

import { LakeError } from "../../core/base/errors.ts";
import type { Begun, LakeEvent } from "../../core/lake.ts";
import type { Session } from "../open.ts";

export interface BuildRequest {
  readonly select: readonly string[];
  readonly exclude: readonly string[];
  readonly full: boolean;
  /** Windows of rows that came too late are computed again. */
  readonly repair?: boolean;
  readonly models: boolean;
  readonly sources: boolean;
  /** Models are built on this branch; absent, null: on `main`. */
  readonly branch?: string | null;
  /** The project that it was asked in, of a build on a branch: the models are those of that one. */
  readonly root?: string | null;
}

/** How a caller hears of what happens, and stops it. */
export interface Following {
  readonly signal: AbortSignal;
  readonly onEvent: (event: LakeEvent) => void;
  readonly onBegin?: (begun: Begun) => () => void;
}

/** A running engine builds the models of its own project. Throws `usage` where it was asked in another one. */
export function refuseOtherProject(session: Pick<Session, "root">, root: string | null): void {
  if (root === null || root === session.root) return;
  throw new LakeError("usage", `what runs on this lake builds the models of ${session.root}`, {
    hint: `build there, or stop it first: the models of ${root} are others`,
  });
}

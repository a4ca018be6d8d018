/** Names for moments of the whole lake. */

import { LakeError } from "../../core/base/errors.ts";
import { isRelativeMoment } from "../../core/base/moment.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { CommitInfo } from "../../core/table/commit.ts";
import { lakeMoment } from "../../core/table/version-ref.ts";
import type { Session } from "../open.ts";
import { momentsOf } from "./moments.ts";

export interface Tag {
  readonly name: string;
  readonly commit: bigint;
  readonly timeMs: number;
}

const TAG_NAME = /^[\p{L}_][\p{L}\p{N}_.-]{0,99}$/u;

export async function tagsOf(session: Session): Promise<readonly Tag[]> {
  const tags = await session.catalog.tags();
  return [...tags].map(([name, { number, timeMs }]) => ({ name, commit: number, timeMs }));
}

export interface TagRequest {
  readonly name: string;
  /** The moment; null is the present. */
  readonly at: string | null;
  /** Moves a tag that names another moment already. */
  readonly force: boolean;
}

export interface TagSet {
  readonly commit: bigint;
  /** The commit that it named until now, where that was another. */
  readonly movedFrom: bigint | null;
}

/** Names the last commit at a moment. Throws `conflict` for a name that is taken, unless it is forced. */
export async function setTag(session: Session, request: TagRequest): Promise<TagSet> {
  const { name, at, force } = request;
  checkName(name);
  if (isRelativeMoment(name)) {
    throw new LakeError("usage", `"${name}" is a time, and no tag can be called so`, {
      hint: "take a name that says what the moment is, such as month-end",
    });
  }
  const moments = momentsOf(session);
  const timeMs = at === null ? moments.nowMs : await lakeMoment(session.catalog, at, moments);
  const commit = await session.catalog.commitAt(timeMs);
  if (commit === null) {
    throw new LakeError("not-found", "the lake had no commit then", { hint: "see: tarn log" });
  }
  if (timeMs > moments.nowMs && timeMs !== commit.timeMs) {
    throw new LakeError("usage", `${at} is in the future, and a tag names what has been`, {
      hint: "set the tag when that time has come",
    });
  }
  const before = (await session.catalog.tags()).get(name);
  const isMoved = before !== undefined && before.number !== commit.number;
  if (isMoved && !force) throw namesAnother(name, before);
  await session.catalog.setTag(name, commit.number);
  return { commit: commit.number, movedFrom: isMoved ? before.number : null };
}

/** Its snapshots age like others from then on. */
export async function removeTag(session: Session, name: string): Promise<void> {
  checkName(name);
  const names = [...(await session.catalog.tags()).keys()];
  if (!names.includes(name)) {
    const near = nearestWord(name, names);
    throw new LakeError("not-found", `there is no tag "${name}"`, {
      hint: near === null ? "see: tarn tag" : `did you mean "${near}"?`,
    });
  }
  await session.catalog.setTag(name, null);
}

function checkName(name: string): void {
  if (TAG_NAME.test(name)) return;
  throw new LakeError("usage", `"${name}" cannot be a tag`, {
    hint: "letters, digits, _ . and -, beginning with a letter",
  });
}

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

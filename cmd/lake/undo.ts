/** What a run published taken back: by its id, or the last one of a model. */

import { LakeError } from "../../core/base/errors.ts";
import type { RunRecord } from "../../core/model/run-store.ts";
import { type Undone, type UndoOptions, undoRun } from "../../core/model/undo.ts";
import type { Session } from "../open.ts";

/** Characters of an id that name a run, at least. */
const ID_CHARS_MIN = 4;

/** `which` is a run's id, or how it begins, or a model. Throws `not-found`, `usage`, `conflict`. */
export async function undoOf(
  session: Session,
  which: string,
  options: UndoOptions,
): Promise<Undone> {
  return undoRun(session.ports, await runOf(session, which), options);
}

async function runOf(session: Session, which: string): Promise<RunRecord> {
  const { runs } = session.catalog;
  const named = which.length < ID_CHARS_MIN ? [] : await runs.named(which.toLowerCase());
  const [one, second] = named;
  if (second !== undefined) {
    throw new LakeError("usage", `more than one run begins with ${which}`, {
      hint: `write more of it: ${named.map(({ run, model }) => `${run} (${model})`).join(", ")}`,
    });
  }
  if (one !== undefined) return one;
  const [batch] = await session.catalog.ledger
    .batches({})
    .then((all) =>
      which.length < ID_CHARS_MIN ? [] : all.filter(({ batch: id }) => id.startsWith(which)),
    );
  if (batch !== undefined) {
    throw new LakeError("usage", `${which} is a batch, which a source landed`, {
      hint: "tarn forget takes files out of the lake; tarn restore TABLE --to @-1 sets the table back",
    });
  }
  const isModel = session.project.models.some(({ name }) => name.split(".").at(-1) === which);
  if (!which.includes(".") && !isModel) throw unknown(which);
  const model = await session.tableName(which);
  for (const run of await runs.list({ model, status: "ok", limit: RUNS_MAX })) {
    if ((await runs.published(run.run)) !== null) return run;
  }
  throw new LakeError("not-found", `no run of a model has published ${model}`, {
    hint: "a table of a source is set back by tarn restore; its files leave by tarn forget",
  });
}

/** Runs of a model that are looked at for one that published. */
const RUNS_MAX = 1_000;

function unknown(which: string): LakeError {
  return new LakeError("not-found", `there is no run ${which}`, {
    hint: `tarn sql -c "select run, table_name, ended_at from lake.runs order by ended_at desc limit 10"`,
  });
}

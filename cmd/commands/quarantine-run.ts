/** Changes of rows that were set aside, run where the lake is written: here or in the running engine. */

import { counted } from "../../core/base/quantity.ts";
import type { Terminal } from "../command.ts";
import { EXIT } from "../exit.ts";
import type { Selection } from "../lake/aside.ts";
import {
  dropQuarantined,
  type RetriedPart,
  type RetryHow,
  retryQuarantined,
} from "../lake/quarantine.ts";
import type { Session } from "../open.ts";
import type { Progress } from "../render/progress.ts";
import { printable } from "../render/style.ts";
import type { EngineCommand } from "../serve/engine-command.ts";

export interface QuarantineArgs {
  readonly action: "retry" | "drop";
  readonly selection: Selection;
  readonly set: string | null;
  readonly raw: string | null;
  /** Other texts for whole rows, by id. */
  readonly texts: readonly (readonly [string, string])[] | null;
  readonly dryRun: boolean;
}

/** What the parts of a retry came to, for one source. */
interface Total {
  readonly source: string;
  readonly table: string;
  landed: number;
  failed: number;
  already: number;
  gone: number;
  besides: number;
  still: RetriedPart["still"];
  readonly rowsByReason: Map<string, number>;
}

export const runQuarantine: EngineCommand<QuarantineArgs> = async (
  session,
  args,
  terminal,
  signal,
) => {
  const { action, selection, set, raw, texts, dryRun } = args;
  if (action === "drop") {
    const dropped = await dropQuarantined(session, selection);
    if (terminal.json) terminal.document({ schema: "tarn.quarantine/1", dropped });
    else if (dropped === 0) terminal.note("no open rows");
    else {
      terminal.note(`${counted(dropped, "row")} dropped for good; the originals still hold them`);
    }
    return EXIT.ok;
  }
  const byId = texts === null ? null : new Map(texts);
  const totals = await retryAll(
    session,
    selection,
    { set, raw, texts: byId, dryRun, signal },
    terminal,
  );
  if (!terminal.json) for (const total of totals) tell(terminal, total, args);
  if (totals.length === 0)
    terminal.note(signal.aborted ? "stopped: nothing was landed" : "no open rows");
  else if (signal.aborted)
    terminal.note("stopped: what landed stays, the others are open as before");
  else if (!dryRun && totals.some(({ landed }) => landed > 0)) terminal.note("next:  tarn build");
  return totals.some(({ failed, gone }) => failed + gone > 0) ? EXIT.data : EXIT.ok;
};

async function retryAll(
  session: Session,
  selection: Selection,
  how: RetryHow,
  terminal: Terminal,
): Promise<readonly Total[]> {
  const progress = await progressOf(terminal);
  const totals = new Map<string, Total>();
  let rows = 0;
  progress?.update("reading rows that were set aside");
  try {
    for await (const part of retryQuarantined(session, selection, how)) {
      if (terminal.json) terminal.document(documentOf(part, how.dryRun));
      const total = totals.get(part.source) ?? nothing(part);
      totals.set(part.source, total);
      add(total, part);
      rows += part.landed + part.failed.length + part.already.length + part.gone.length;
      const landed = [...totals.values()].reduce((sum, one) => sum + one.landed, 0);
      const done = how.dryRun ? "would land" : "landed";
      progress?.update(
        `${counted(rows, "row")} read again, ${landed} ${done}; Ctrl-C stops after a part`,
      );
    }
  } finally {
    progress?.stop();
  }
  return [...totals.values()];
}

/** On a terminal that somebody watches. */
async function progressOf(terminal: Terminal): Promise<Progress | null> {
  if (!terminal.interactive || terminal.quiet || terminal.json) return null;
  const { startProgress } = await import("../render/progress.ts");
  const { stderr } = await import("../render/streams.ts");
  return startProgress({
    isTerminal: true,
    style: terminal.style,
    write: (text) => stderr.write(text),
    width: () => terminal.width,
  });
}

function nothing({ source, table }: RetriedPart): Total {
  const counts = { landed: 0, failed: 0, already: 0, gone: 0, besides: 0 };
  return { source, table, ...counts, still: [], rowsByReason: new Map() };
}

function add(total: Total, part: RetriedPart): void {
  total.landed += part.landed;
  total.failed += part.failed.length;
  total.already += part.already.length;
  total.gone += part.gone.length;
  total.besides += part.besides;
  if (total.still.length === 0) total.still = part.still;
  for (const { why } of [...part.failed, ...part.gone]) {
    if (why !== null) total.rowsByReason.set(why, (total.rowsByReason.get(why) ?? 0) + 1);
  }
}

function documentOf(part: RetriedPart, dryRun: boolean) {
  const ids = (rows: readonly { readonly id: string }[]): string[] => rows.map(({ id }) => id);
  const { source, landed, failed, already, gone, besides, commit } = part;
  return {
    schema: "tarn.quarantine/1",
    source,
    landed,
    failed: ids(failed),
    already: [...already],
    gone: ids(gone),
    besides,
    commit,
    ...(dryRun ? { dry_run: true } : {}),
  };
}

function tell(terminal: Terminal, total: Total, { dryRun, selection, set }: QuarantineArgs): void {
  const { landed, table, besides, already, failed } = total;
  const rows = counted(landed, "row");
  terminal.note(dryRun ? `${rows} would land in ${table}` : `${rows} landed in ${table}`);
  if (besides > 0) terminal.note(`${counted(besides, "other row")} of the same files fit by now`);
  if (already > 0) terminal.note(counted(already, "was in already", "were in already"));
  if (failed > 0) tellFailed(terminal, total, dryRun);
  // Each reason once, with how many rows it holds for.
  for (const [why, count] of total.rowsByReason) {
    terminal.note(`${counted(count, "row")}: ${printable(why)}`);
  }
  const isPlain = set === null && selection.ids.length === 0;
  if (failed > 0 && landed === 0 && isPlain && total.rowsByReason.size === 0) {
    terminal.note(
      `a fix for many: --set "column = SQL", or: tarn quarantine export ${total.source} -o FILE.csv`,
    );
  }
}

function tellFailed(terminal: Terminal, { failed, source, still }: Total, dryRun: boolean): void {
  if (!dryRun) {
    const count = counted(failed, "still does", "still do");
    terminal.note(`${count} not fit: tarn quarantine show ${source}`);
    return;
  }
  terminal.note(`${counted(failed, "row")} would not, the first of them:`);
  for (const { file, position, reason, column, raw } of still) {
    const where = column === null ? "" : ` in ${column}`;
    terminal.note(`  ${printable(`${file}, ${position}: ${reason}${where}`)}`);
    const text = printable(raw).slice(0, terminal.width - 4);
    if (text !== "") terminal.note(`    ${terminal.style.dim(text)}`);
  }
}

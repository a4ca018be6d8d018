/** What a build prints: a line per table with its row deltas, warnings where something was set aside. */

import { unreachable } from "../../core/base/assert.ts";
import type { LakeError } from "../../core/base/errors.ts";
import type { Json, JsonObject } from "../../core/base/json.ts";
import { counted, thousands } from "../../core/base/quantity.ts";
import type { Unclaimed } from "../../core/config/source-of-drop.ts";
import { MENDED, STRAY } from "../../core/ingest/contract.ts";
import type { Landed } from "../../core/ingest/landing.ts";
import { hintsFor } from "../../core/ingest/quarantine.ts";
import type { Begun, BuildSummary, LakeEvent, LandedTotal } from "../../core/lake.ts";
import type { RunOutcome } from "../../core/model/run.ts";
import type { TestOutcome } from "../../core/model/run-store.ts";
import type { Terminal } from "../command.ts";
import { errorObject } from "../exit.ts";
import { durationText } from "../format/numbers.ts";
import type { Progress } from "./progress.ts";
import { stderr } from "./streams.ts";
import { printable, shellWord } from "./style.ts";

/** Width of the table name's column, until a longer name comes. */
const NAME_WIDTH = 24;
const DELTA_WIDTH = 18;
/** Quarantined rows printed per batch; the rest are counted. */
const EXAMPLES_MAX = 2;
/** Files named in one warning. */
const NAMES_MAX = 3;

export class BuildScreen {
  readonly #terminal: Terminal;
  readonly #startedMs: number;
  /** What is being waited for, where a person watches. */
  #progress: Progress | null = null;
  readonly #going = new Set<Begun>();
  readonly #modelByReason = new Map<string, string>();
  #nameWidth = NAME_WIDTH;

  constructor(terminal: Terminal, startedMs: number) {
    const note = (text: string): void => {
      this.#progress?.clear();
      terminal.note(text);
      if (this.#going.size > 0) this.#draw();
    };
    this.#terminal = { ...terminal, note };
    this.#startedMs = startedMs;
  }

  /** Shows what takes longer than a moment while it runs, to a person who watches. */
  async watch(): Promise<void> {
    const { interactive, json, quiet, style } = this.#terminal;
    if (!interactive || json || quiet) return;
    const { startProgress } = await import("./progress.ts");
    const width = (): number => stderr.columns() ?? this.#terminal.width;
    const write = (text: string): void => stderr.write(text);
    this.#progress = startProgress({ isTerminal: true, style, write, width });
  }

  /** Work that begins; what is answered is called when it ends. */
  begin(begun: Begun): () => void {
    this.#going.add(begun);
    this.#draw();
    return () => {
      this.#going.delete(begun);
      this.#draw();
    };
  }

  #draw(): void {
    const names = [...this.#going].map((begun) =>
      begun.kind === "landing" ? `landing ${printable(begun.source)}` : `building ${begun.model}`,
    );
    if (names.length === 0) this.#progress?.clear();
    else this.#progress?.update(`${names.join(" · ")} · Ctrl-C stops when it is whole`);
  }

  /** Nothing is drawn any more. */
  stop(): void {
    this.#progress?.stop();
    this.#progress = null;
  }

  /** What is no event of landing or of models, in the words of whoever knows it; null: not worth a line. */
  tell(line: string | null, event: JsonObject): void {
    if (this.#terminal.json) this.#terminal.document(event);
    else if (line !== null) this.#terminal.line(line);
  }

  show(event: LakeEvent): void {
    if (this.#terminal.json) {
      this.#terminal.document(eventObject(event));
      return;
    }
    switch (event.event) {
      case "landed":
        this.#landed(event.landed);
        break;
      case "land-failed":
        this.#landFailed(event.source, event.error);
        break;
      case "unreadable":
        this.#landFailed(event.path, event.error);
        break;
      case "trouble":
        this.#landFailed("the lake", event.error);
        break;
      case "waiting":
        this.#terminal.note(`  waiting ${durationText(event.ms)} for dropped files to settle`);
        break;
      case "run":
        this.#run(event.outcome);
        break;
      default:
        unreachable(event);
    }
  }

  finish(summary: BuildSummary, nowMs: number, unclaimed: readonly Unclaimed[]): void {
    this.stop();
    const counts = summaryCounts(summary);
    const elapsedMs = nowMs - this.#startedMs;
    if (this.#terminal.json) {
      const done = { schema: "tarn.build/1", event: "done", ...counts, elapsed_ms: elapsedMs };
      this.#terminal.document(done);
      return;
    }
    const strange = unclaimed.filter((entry) => !entry.isBookkeeping);
    for (const entry of strange.slice(0, NAMES_MAX)) {
      const path = printable(entry.path);
      this.#terminal.note(`  ! ${path} is not landed: ${printable(entry.reason)}`);
    }
    if (strange.length > NAMES_MAX) {
      this.#terminal.note(`  ! and ${strange.length - NAMES_MAX} more (tarn status)`);
    }
    const parts = [
      durationText(elapsedMs),
      `${counts.built} built`,
      ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
      ...(counts.blocked > 0 ? [`${counts.blocked} blocked`] : []),
      `${counts.unchanged} unchanged`,
    ];
    const equation =
      counts.rows_in === 0
        ? ""
        : ` · rows in ${thousands(counts.rows_in)} = bronze ${thousands(counts.rows_landed)}` +
          ` + quarantined ${thousands(counts.rows_quarantined)}`;
    const files = [
      ...(counts.files_aside > 0 ? [`${counted(counts.files_aside, "file")} set aside whole`] : []),
      ...(counts.files_duplicate > 0 ? [counted(counts.files_duplicate, "duplicate file")] : []),
    ];
    const skipped = files.map((each) => ` · ${each}`).join("");
    this.#terminal.note(`done   ${parts.join(" · ")}${equation}${skipped}`);
    const next = nextSteps(summary);
    if (next !== null) this.#terminal.note(`next:  ${next}`);
  }

  /** Files of which something was not read, or rows landed otherwise than they stand. */
  #partly({ files, source }: Landed): void {
    const { style } = this.#terminal;
    const told = files.flatMap(({ file, outcome, reason }) =>
      outcome === "landed" && reason !== null ? [{ file, reason }] : [],
    );
    const [mended = [], partly = []] = [true, false].map((isMended) =>
      told.filter(({ reason }) => reason.startsWith(MENDED) === isMended),
    );
    const unread = partly.map(({ file, reason }) => `${file}: ${reason}`);
    this.#some(unread, `${style.yellow("not read")} `, "from lake.ledger");
    const lines = mended.map(({ file, reason }) => `${file}:${reason.slice(MENDED.length)}`);
    this.#some(lines, `${style.yellow("mended")} `, "from lake.ledger");
    if (!lines.some((line) => line.includes(STRAY))) return;
    this.#terminal.note(
      `    to set such rows aside: stray_quotes: quarantine for ${source} in tarn.yaml`,
    );
  }

  /** The first few; how many more there are, and the statement that shows them. */
  #some(lines: readonly string[], label: string, sql: string): void {
    for (const line of lines.slice(0, NAMES_MAX)) {
      this.#terminal.note(`    ${label}${printable(line)}`);
    }
    const more = lines.length - NAMES_MAX;
    if (more > 0) this.#terminal.note(`    ${label}… and ${more} more: tarn sql -c "${sql}"`);
  }

  #landed(landed: Landed): void {
    const { style } = this.#terminal;
    const delta = `+${counted(landed.rowsLanded, "row")}`;
    const files = landed.files.filter((file) => file.outcome === "landed").length;
    const parts = [counted(files, "file")];
    if (landed.rowsQuarantined > 0) parts.push(`${thousands(landed.rowsQuarantined)} quarantined`);
    if (landed.duplicates.length > 0) parts.push(counted(landed.duplicates.length, "duplicate"));
    this.#row(landed.table, delta, parts.join(", "), landed.sequenceNumber, landed.elapsedMs);
    const drift = landed.drift.map((each) => `${each.message} (${each.file})`);
    this.#some(drift, `${style.yellow("drift")} `, "from lake.drift");
    this.#misfits(landed);
    if (landed.retold.length > 0) {
      const columns = landed.retold.slice(0, NAMES_MAX).join(", ");
      const what = `earlier rows of ${columns} read as their old type printed them`;
      const command = `tarn replay ${landed.table} --from-originals`;
      this.#terminal.note(`    ${what}; as their files had them:  ${command}`);
    }
    const duplicates = landed.duplicates.map(({ file, first, isBeginning }) =>
      isBeginning
        ? `${file} is the beginning of what landed${file === first ? "" : ` as ${first}`}`
        : file === first
          ? `${file} was touched, not changed`
          : `${file} has the same bytes as ${first}`,
    );
    this.#some(duplicates, "", "from lake.ledger");
    if (landed.duplicates.some(({ file, first }) => file !== first)) {
      this.#terminal.note(
        `    equal bytes are skipped; to land them: same_bytes: land for ${landed.source} in tarn.yaml`,
      );
    }
    const keys = landed.unreadFolders.map((key) => printable(`${key}=`)).join(", ");
    if (keys !== "") {
      this.#terminal.note(`    folders ${keys} are not read as columns; _file holds them`);
    }
    for (const { setting, columns } of landed.looks) {
      const names = columns.slice(0, NAMES_MAX).join(", ");
      const more = columns.length > NAMES_MAX ? ` and ${columns.length - NAMES_MAX} more` : "";
      this.#terminal.note(
        `    ${printable(names)}${more}: texts that would be typed by ${setting} for ${landed.source} in tarn.yaml; ` +
          `then: tarn reread ${landed.source}`,
      );
    }
    const empty = landed.files.filter((file) => file.outcome === "landed" && file.rowsIn === 0);
    this.#some(
      empty.map((file) => `${file.file} holds no rows`),
      "",
      "from lake.ledger",
    );
    this.#partly(landed);
    const changed = landed.changed.map((file) => `${file}: landed whole as a new version`);
    this.#some(changed, `${style.yellow("changed")} `, "from lake.ledger");
    if (changed.length > 0) {
      this.#terminal.note(
        `    both versions are in the table; to put the last in place of the others: ` +
          `same_name: replace for ${landed.source} in tarn.yaml`,
      );
    }
    const aside = landed.files.filter((each) => each.outcome === "quarantined");
    for (const file of aside) {
      const why = printable(`${file.file}: ${file.reason ?? ""}`);
      this.#terminal.note(`    ${style.yellow("set aside")} ${why}`);
    }
    if (landed.examples.length > 0) this.#examples(landed);
    this.#hints(landed, aside);
  }

  #hints(landed: Landed, aside: Landed["files"]): void {
    // Of a file that was set aside whole the ledger's reason begins with the word for it.
    const words = aside.map(({ reason }) => (reason ?? "").split(":", 1)[0] ?? "");
    const reasons = new Set([...landed.examples.map(({ reason }) => reason), ...words]);
    for (const hint of hintsFor(landed.source, reasons)) this.#terminal.note(`    ${hint}`);
    if (landed.examples.length > 0) {
      this.#terminal.note(`    → tarn quarantine list ${landed.source}`);
    }
  }

  /** What can be done about values that made no column text. */
  #misfits({ source, drift }: Landed): void {
    const open = drift.filter(({ change, isChosen }) => change === "misfits" && isChosen !== true);
    const columns = [...new Set(open.map(({ column }) => column))];
    for (const column of columns.slice(0, NAMES_MAX)) {
      const name = printable(column);
      const of = `${source} ${shellWord(name)}`;
      this.#terminal.note(`    ${name}: keep it so:   tarn contract keep ${of}`);
      this.#terminal.note(
        `    ${" ".repeat(name.length)}  or land them: tarn contract widen ${of}`,
      );
    }
  }

  #examples(landed: Landed): void {
    const { style } = this.#terminal;
    for (const example of landed.examples.slice(0, EXAMPLES_MAX)) {
      const column = example.column === null ? "" : ` in ${example.column}`;
      this.#terminal.note(
        `    ${style.yellow("quarantined")} ${printable(example.file)}, ${example.position}: ` +
          `${example.reason}${printable(column)}`,
      );
      const raw = clip(example.raw, this.#terminal.width - 8);
      if (raw !== "") this.#terminal.note(`      ${style.dim(raw)}`);
    }
    if (landed.asideByDefault === true) {
      this.#terminal.note(
        `    columns are declared and schema: is not, so rows with other fields are set aside; ` +
          `to land them: schema: evolve for ${landed.source} in tarn.yaml`,
      );
    }
  }

  #landFailed(source: string, error: LakeError): void {
    const { style } = this.#terminal;
    const what = this.#padded(printable(source));
    this.#terminal.note(`  ${what} ${style.red("✖")} ${printable(error.message)}`);
    if (error.hint !== null) this.#terminal.note(`    → ${error.hint}`);
  }

  #run(outcome: RunOutcome): void {
    const { style } = this.#terminal;
    const name = this.#padded(outcome.model);
    if (outcome.kind === "blocked") {
      this.#terminal.note(`  ${name} ${style.dim(`waits: ${outcome.reason}`)}`);
    } else if (outcome.kind === "failed") {
      this.#terminal.note(`  ${name} ${style.red("✖")} ${this.#failure(outcome)}`);
    } else if (outcome.kind === "built") {
      const { model, mode, reason, result, sequenceNumber, elapsedMs } = outcome;
      const tests = result.tests.length === 0 ? "" : `   ${testsText(outcome)}`;
      this.#row(model, deltaText(outcome), `${mode}: ${reason}${tests}`, sequenceNumber, elapsedMs);
    }
  }

  /** What failed a model, in a line; what failed it, or another one, before is said once. */
  #failure({ model, reason }: RunOutcome & { kind: "failed" }): string {
    const first = this.#modelByReason.get(reason);
    if (first !== undefined) {
      return `as ${first === model ? "before" : first}; the old snapshot stays`;
    }
    this.#modelByReason.set(reason, model);
    const [headline = "", ...more] = reason.split("\n").filter((line) => line.trim() !== "");
    const rest =
      more.length === 0 ? "" : ` (${counted(more.length, "more line")}: tarn log ${model})`;
    return `${headline}${rest}; the old snapshot stays`;
  }

  #padded(name: string): string {
    this.#nameWidth = Math.max(this.#nameWidth, name.length);
    return name.padEnd(this.#nameWidth);
  }

  #row(
    name: string,
    delta: string,
    detail: string,
    sequenceNumber: bigint | null,
    elapsedMs: number,
  ): void {
    const { style } = this.#terminal;
    const at = sequenceNumber === null ? "" : `@${sequenceNumber}`;
    const time = style.dim(durationText(elapsedMs));
    this.#terminal.note(
      `  ${this.#padded(name + at)} ${delta.padEnd(DELTA_WIDTH)} ${detail}   ${time}`,
    );
  }
}

/** What a use-case tells the screen. */
export function following(screen: BuildScreen, signal: AbortSignal) {
  return {
    signal,
    onEvent: (event: LakeEvent): void => screen.show(event),
    onBegin: (begun: Begun): (() => void) => screen.begin(begun),
  };
}

function deltaText(outcome: RunOutcome & { kind: "built" }): string {
  const { result } = outcome;
  if (outcome.mode === "full") return counted(result.data.rows, "row");
  const parts = [`+${thousands(result.rowsInserted)}`];
  if (result.rowsUpdated > 0n) parts.push(`~${thousands(result.rowsUpdated)}`);
  if (result.rowsDeleted > 0n) parts.push(`-${thousands(result.rowsDeleted)}`);
  return parts.join(" ");
}

/** What would fail and stays below its threshold is told of. */
function actionOf({ action, status }: TestOutcome): TestOutcome["action"] {
  return action === "fail" && status === "warn" ? "warn" : action;
}

function testsText(outcome: RunOutcome & { kind: "built" }): string {
  const { tests, rowsQuarantined, rowsDropped } = outcome.result;
  const warned = tests.filter((test) => test.status !== "pass");
  const parts = [warned.length === 0 ? `${counted(tests.length, "test")} ✔` : ""];
  for (const test of warned)
    parts.push(`${test.name}: ${counted(test.rows, "row")} (${actionOf(test)})`);
  if (rowsQuarantined > 0n) parts.push(`${thousands(rowsQuarantined)} quarantined`);
  if (rowsDropped > 0n) parts.push(`${thousands(rowsDropped)} dropped`);
  return parts.filter((part) => part !== "").join(", ");
}

function clip(text: string, width: number): string {
  const line = printable(text.split("\n", 1)[0] ?? "");
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line;
}

function summaryCounts(summary: BuildSummary) {
  const sum = (pick: (landed: LandedTotal) => number): number =>
    summary.landed.reduce((total, landed) => total + pick(landed), 0);
  const count = (kind: RunOutcome["kind"]): number =>
    summary.runs.filter((run) => run.kind === kind).length;
  const rowsLanded = sum((landed) => landed.rowsLanded);
  const rowsQuarantined = sum((landed) => landed.rowsQuarantined);
  return {
    built: count("built"),
    failed: count("failed") + summary.landFailures,
    blocked: count("blocked"),
    unchanged: count("skipped"),
    rows_in: rowsLanded + rowsQuarantined,
    rows_landed: rowsLanded,
    rows_quarantined: rowsQuarantined,
    files_aside: sum((landed) => landed.aside),
    files_duplicate: sum((landed) => landed.duplicates),
  };
}

function nextSteps(summary: BuildSummary): string | null {
  const steps: string[] = [];
  const failed = summary.runs.find((run) => run.kind === "failed");
  if (failed !== undefined) steps.push(`tarn log ${failed.model}`);
  const set = summary.landed.find((landed) => landed.rowsQuarantined + landed.aside > 0);
  if (set !== undefined) steps.push(`tarn quarantine show ${set.source}`);
  const built = summary.runs.filter((run) => run.kind === "built").at(-1);
  const table = built?.model ?? summary.landed.at(-1)?.table;
  if (table !== undefined) steps.push(`tarn sql -c "from ${table} limit 10"`);
  return steps.length === 0 ? null : steps.join(" · ");
}

/** An event as one JSON line. Row counts beyond 2^53 do not occur in one batch. */
export function eventObject(event: LakeEvent): JsonObject {
  switch (event.event) {
    case "landed": {
      const { landed } = event;
      return {
        event: "landed",
        source: landed.source,
        table: landed.table,
        batch: landed.batch,
        commit: landed.commit,
        files: landed.files.map(
          (file): Json => ({
            file: file.file,
            outcome: file.outcome,
            reason: file.reason,
            rows_in: file.rowsIn,
            rows_landed: file.rowsLanded,
            rows_quarantined: file.rowsQuarantined,
          }),
        ),
        rows_landed: landed.rowsLanded,
        rows_quarantined: landed.rowsQuarantined,
        drift: landed.drift.map((drift) => drift.message),
        elapsed_ms: landed.elapsedMs,
      };
    }
    case "land-failed":
      return { event: "land.failed", source: event.source, error: errorObject(event.error) };
    case "unreadable":
      return { event: "unreadable", path: event.path, error: errorObject(event.error) };
    case "trouble":
      return { event: "trouble", error: errorObject(event.error) };
    case "waiting":
      return { event: "waiting", ms: event.ms };
    case "run":
      return runObject(event.outcome);
  }
}

function runObject(outcome: RunOutcome): JsonObject {
  const base = { event: `model.${outcome.kind}`, model: outcome.model, reason: outcome.reason };
  if (outcome.kind !== "built") return base;
  const { result } = outcome;
  return {
    ...base,
    mode: outcome.mode,
    commit: outcome.commit,
    rows_in: Number(result.rowsIn),
    rows_written: Number(result.data.rows),
    rows_inserted: Number(result.rowsInserted),
    rows_updated: Number(result.rowsUpdated),
    rows_deleted: Number(result.rowsDeleted),
    rows_quarantined: Number(result.rowsQuarantined),
    rows_dropped: Number(result.rowsDropped),
    elapsed_ms: outcome.elapsedMs,
  };
}

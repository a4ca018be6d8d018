/** How the lake stands, in a line for each source and model. */

import { counted, thousands } from "../../core/base/quantity.ts";
import { quarantineTable } from "../../core/ingest/quarantine.ts";
import { goneText } from "../../core/model/run-store.ts";
import { agoText, bytesText, durationText } from "../format/numbers.ts";
import type { ModelStatus, SourceStatus, Status, StreamStanding } from "../lake/status.ts";
import { printable, type Style } from "./style.ts";

/** A line for every source, then for every model. */
export function statusLines(status: Status, style: Style): string[] {
  return [
    ...status.sources.map((source) => sourceLine(source, status.nowMs, style)),
    ...status.streams.map((stream) => streamLine(stream, status.nowMs, style)),
    ...status.models.map((model) => modelLine(model, status.nowMs, style)),
  ];
}

function sourceLine(source: SourceStatus, nowMs: number, style: Style): string {
  const age = source.lastMs === null ? "nothing landed" : agoText(nowMs - source.lastMs);
  const rows = source.rows === null ? source.rowsLanded : BigInt(source.rows);
  const parts = [counted(rows, "row"), age];
  const { rowsPerSecond } = source;
  if (rowsPerSecond !== null && rowsPerSecond > 0) parts.push(`${thousands(rowsPerSecond)} rows/s`);
  if (source.rowsQuarantined > 0) {
    const aside = `${thousands(source.rowsQuarantined)} in ${quarantineTable(source.table)}`;
    parts.push(style.yellow(aside));
  }
  if (source.waitingFiles > 0) parts.push(`${counted(source.waitingFiles, "file")} waiting`);
  const trouble = source.failing === null ? "" : style.red(` ✖ ${printable(source.failing)}`);
  return `  ${source.table.padEnd(26)} ${parts.join(" · ")}${trouble}`;
}

function streamLine(stream: StreamStanding, nowMs: number, style: Style): string {
  const { stream: name, kind, position, state, failing, lag } = stream;
  // For people it says where it is before what a machine reads.
  const [said = ""] = position?.split(" {") ?? [];
  const isLong = said.length > POSITION_CHARS_MAX || said === "";
  const place = position === null ? null : isLong ? `${said.slice(0, POSITION_CHARS_MAX)}…` : said;
  const parts = [kind, place === null ? "nothing read" : `read to ${place}`];
  if (lag !== null) parts.push(lagText(lag, nowMs));
  if (state === "paused") parts.push(style.yellow(`paused: tarn source resume ${name}`));
  if (state === "copied") parts.push(style.yellow("read by the lake that this one is a copy of"));
  const trouble = failing === null ? "" : style.red(` ✖ ${printable(failing)}`);
  return `  ${name.padEnd(26)} ${printable(parts.join(" · "))}${trouble}`;
}

const POSITION_CHARS_MAX = 40;
/** A measure that is older says how old it is. */
const FRESH_MS = 15_000;

/** `nothing missing`, `1.2 MB and 31 rows behind, 4 s`, with the age of a measure that is not fresh. */
export function lagText(lag: NonNullable<StreamStanding["lag"]>, nowMs: number): string {
  const { bytes, rows, ms, measuredMs } = lag;
  const missing = [
    ...(bytes === null || bytes === 0 ? [] : [bytesText(bytes)]),
    ...(rows === null || rows === 0 ? [] : [counted(rows, "row")]),
  ];
  const isKnown = bytes !== null || rows !== null;
  const what = missing.length > 0 ? `${missing.join(" and ")} behind` : "nothing missing";
  const since = ms === null || (isKnown && missing.length === 0) ? null : durationText(ms);
  const age = since === null ? [] : [isKnown ? since : `as of ${since} before`];
  const told = isKnown ? [what, ...age] : age;
  const ageMs = nowMs - measuredMs;
  const when = ageMs > FRESH_MS ? ` (measured ${agoText(ageMs)})` : "";
  return `${told.join(", ")}${when}`;
}

function modelLine(model: ModelStatus, nowMs: number, style: Style): string {
  const age = model.lastMs === null ? "not built" : agoText(nowMs - model.lastMs);
  const rows = model.rows === null ? "" : `${counted(BigInt(model.rows), "row")} · `;
  const aside = BigInt(model.rowsQuarantined ?? 0);
  const set = aside === 0n ? "" : ` · ${thousands(aside)} in ${quarantineTable(model.model)}`;
  const trouble =
    model.failing !== null
      ? style.red(` ✖ ${printable(model.failing)}; the old snapshot stays`)
      : model.staleUpstream !== null
        ? style.yellow(` stale: ${model.staleUpstream} failed`)
        : model.restoredTo !== null
          ? style.yellow(` restored to ${model.restoredTo}, held until its inputs change`)
          : model.readsOrphan !== null
            ? style.yellow(` reads ${model.readsOrphan}, ${goneText(model.readsOrphan)}`)
            : model.behind !== null
              ? style.yellow(` behind: ${model.behind} is newer`)
              : model.cadence !== null
                ? style.dim(` ${model.cadence}`)
                : "";
  return `  ${model.model.padEnd(26)} ${rows}${age}${style.yellow(set)}${trouble}`;
}

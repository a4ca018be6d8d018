/** Seeds as they might be a month later: rows more, the first one other. */

import { readFileSync, utimesSync, writeFileSync } from "node:fs";

const MORE_ROWS = 3;
const MONTH_MS = 30 * 86_400_000;
const LONG_AGO = new Date("2026-01-01T00:00:00Z");

/** Changes each file: rows like its last ones with keys and times of their own, and another last value in the first. */
export function changeSeeds(paths: readonly string[]): void {
  for (const path of paths) {
    const [header = "", ...rows] = readFileSync(path, "utf8").trim().split(/\r?\n/);
    const cells = rows.map((row) => row.split(","));
    const keys = cells.map(([key = ""]) => Number(key)).filter(Number.isInteger);
    const greatest = Math.max(0, ...keys);
    const more = cells.slice(-MORE_ROWS).map((row, nth) =>
      row.map((cell, column) => {
        if (column > 0) return later(cell);
        return keys.length === cells.length ? String(greatest + nth + 1) : `${cell}-${nth}`;
      }),
    );
    const [first] = cells;
    const last = first === undefined ? -1 : first.length - 1;
    if (first !== undefined && /^\d+$/.test(first[last] ?? "")) {
      first[last] = String(Number(first[last]) + 1);
    }
    const all = [...cells, ...more].map((row) => row.join(","));
    writeFileSync(path, `${[header, ...all].join("\n")}\n`);
    utimesSync(path, LONG_AGO, LONG_AGO);
  }
}

/** A day or a time, a month later; anything else as it is. */
function later(cell: string): string {
  if (!/^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?$/.test(cell)) return cell;
  const moved = new Date(
    Date.parse(`${cell.replace(" ", "T")}${cell.length > 10 ? "Z" : ""}`) + MONTH_MS,
  );
  const text = moved.toISOString().slice(0, cell.length);
  return cell.includes(" ") ? text.replace("T", " ") : text;
}

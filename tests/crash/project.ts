/** The small project that crashes: drops with one bad line each; a merge, an append and a full model. */

import { mkdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Drop {
  readonly name: string;
  /** Ids `from` … `from + rows - 1`, each once over all drops. */
  readonly from: number;
  readonly rows: number;
}

export const SOURCE = "events";
export const BRONZE = "bronze.events";
/** Every drop has one line with a field too many. */
export const BAD_ROWS_PER_DROP = 1;
/** Older than any settle time, so that a drop lands at once. */
const SETTLED_AGE_MS = 60_000;

const SILVER = `/* tarn
   kind: merge
   key: id
   latest_by: ts
   tests:
     - not_null: [id]
     - unique: id
*/
select id, customer, amount, ts, (ts)::date as day from bronze.events
`;
const TRAIL = `/* tarn
   kind: append
*/
select id, amount from bronze.events
`;
const GOLD = `/* tarn
   kind: full
*/
select day, count(*) as events, sum(amount) as amount from silver.events group by day
`;

/** The same values as the models compute, straight from bronze. */
export const GOLD_FROM_BRONZE = `
select (ts)::date as day, count(*) as events, sum(amount) as amount from ${BRONZE} group by all`;

export function writeProject(folder: string, drops: readonly Drop[]) {
  for (const name of [`drops/${SOURCE}`, "models/silver", "models/gold"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  writeFileSync(join(folder, "tarn.yaml"), "project: crash\n");
  writeFileSync(join(folder, "models/silver/events.sql"), SILVER);
  writeFileSync(join(folder, "models/silver/trail.sql"), TRAIL);
  writeFileSync(join(folder, "models/gold/daily.sql"), GOLD);
  for (const drop of drops) writeDrop(folder, drop, true);
}

/** Puts a drop in place with a rename; `settled` gives it an old modification time. */
export function writeDrop(folder: string, drop: Drop, settled: boolean) {
  const path = join(folder, "drops", SOURCE, drop.name);
  const hidden = join(folder, "drops", SOURCE, `.${drop.name}.part`);
  writeFileSync(hidden, dropText(drop));
  if (settled) {
    const then = new Date(Date.now() - SETTLED_AGE_MS);
    utimesSync(hidden, then, then);
  }
  renameSync(hidden, path);
}

function dropText(drop: Drop): string {
  const lines = ["id,customer,amount,ts"];
  for (let id = drop.from; id < drop.from + drop.rows; id += 1) {
    const day = String(1 + (id % 28)).padStart(2, "0");
    lines.push(`${id},c${id % 17},${id % 1000}.${10 + (id % 90)},2026-10-${day} 08:00:00`);
  }
  lines.splice(2, 0, `${drop.name},one,field,too,many`);
  return `${lines.join("\n")}\n`;
}

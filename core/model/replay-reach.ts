/** How far a replay of one model reaches: a range of what the model has read, or everything there is. */

import type { RangeScope } from "../engine.ts";
import type { Scan, TableName } from "../table/types.ts";
import type { Cursor } from "./cursor.ts";
import { cursorFromText } from "./cursor.ts";
import type { Decision } from "./decide.ts";
import type { ModelNode } from "./node.ts";
import type { Names, Pins } from "./pins.ts";

/** What is computed again, why, from which states of the inputs, and where the model then stands. */
export interface Reach {
  readonly scope: RangeScope | null;
  readonly reason: string;
  readonly pins: Pins;
  readonly next: Cursor;
}

export interface ReachJob {
  readonly names: Names;
  readonly pins: Pins;
  readonly node: ModelNode;
  readonly options: { readonly scope: RangeScope | null; readonly atMs: number | null };
  /** Tables that the same replay changes. */
  readonly overrides: ReadonlyMap<TableName, Scan>;
}

/**
 * The range where it can be kept to, else everything. A range is of the rows that the model has read: it is computed
 * from the inputs as they were then, and the model's place stays, so that the next build still finds what came since.
 * Its version stays too: rows outside of the range are of the code that made them, so edited code remains to be run.
 */
export async function reachOf(job: ReachJob, decision: Decision): Promise<Reach> {
  const { options, names, node } = job;
  const { scope } = options;
  const whole = (reason: string): Reach => wholeReach(job, decision, reason);
  if (scope === null) return whole("everything");
  const driver = decision.plan.kind === "full" ? decision.plan.driver : null;
  if (driver === null) return whole(`kind ${node.model.kind} is rebuilt whole`);
  const { inputs } = decision.next;
  const replayed = [...inputs.keys()].find((name) => job.overrides.has(name));
  if (replayed !== undefined) return whole(`${replayed} is replayed with it`);
  if (!job.pins.has(node.model.name)) return whole("it has no rows yet");
  const reason = `rows of ${names.resolve(driver)} by ${scope.column}`;
  // Tables beside the live ones have no place: they are read as of one moment.
  if (options.atMs !== null) return { scope, reason, pins: job.pins, next: decision.next };
  const cursor = cursorFromText(decision.cursorText);
  if (cursor === null) return whole("it has lost its place");
  if (cursor.restored !== null) return whole("its rows are those of a restore");
  if (cursor.timezone !== decision.next.timezone) return whole("the timezone changed");
  const read = new Map([...cursor.inputs].filter(([name]) => inputs.has(name)));
  const pins = await job.pins.where(read);
  if (pins === null) return whole("what it has read is not kept any more");
  return { scope, reason, pins, next: { ...cursor, inputs: new Map([...inputs, ...read]) } };
}

/** Everything, from the inputs as they are pinned. */
export function wholeReach(job: ReachJob, decision: Decision, reason: string): Reach {
  return { scope: null, reason, pins: job.pins, next: decision.next };
}

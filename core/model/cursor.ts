/** A model's cursor: which version of it was built from which snapshots, as the fact stores it. */

import type { Json, JsonObject } from "../base/json.ts";
import { isJsonObject, parseJson, stringifyJson } from "../base/json.ts";
import { compareCodePoints } from "../base/order.ts";
import type { Snapshot, Table, TableName } from "../table/types.ts";
import type { InputState, WatermarkState } from "./watermark.ts";

/** A state of one table. */
export interface Place {
  readonly uuid: string;
  readonly snapshotId: bigint | null;
  /** The schema that it was read under; null in cursors of earlier programs. */
  readonly schemaId: number | null;
  /** Hashes of the corrections that it was read through, in their order; absent: it was read as it is. */
  readonly corrections?: readonly string[];
}

/** Whether two readings of a table were through the same corrections. */
export function isSameReading(a: Place | undefined, b: Place | undefined): boolean {
  return (a?.corrections ?? []).join(" ") === (b?.corrections ?? []).join(" ");
}

/** Where a model stands: what it was built from, as the cursor fact stores it. */
export interface Cursor {
  /** Of its text, its settings and the views it reads. */
  readonly hash: string;
  /** The zone of the project, a part of what the text means; null in cursors of earlier programs. */
  readonly timezone: string | null;
  /** What was read as of the run. */
  readonly inputs: ReadonlyMap<TableName, Place>;
  /** What the moments that its query names led to, by table and moment: `bronze.orders@eom`. */
  readonly moments: ReadonlyMap<string, Place>;
  /** The sequence number that its table was set back to; null when it holds what the last run made. */
  readonly restored: bigint | null;
  /** Of a change feed: the greatest sequence that it has seen, its parts as text; null: none, or no change feed. */
  readonly sequence: readonly string[] | null;
  /** Of a model whose windows close: how far event time has come; absent for others. */
  readonly watermark?: WatermarkState | null;
  /** Of a lookup: when its next answer runs out, and 0 where keys are left; absent for others. */
  readonly asked?: { readonly dueMs: number | null };
}

export function cursorToText({
  hash,
  timezone,
  inputs,
  moments,
  restored,
  sequence,
  watermark = null,
  asked,
}: Cursor): string {
  return stringifyJson({
    hash,
    ...(timezone === null ? {} : { timezone }),
    inputs: placesToJson(inputs),
    ...(moments.size === 0 ? {} : { moments: placesToJson(moments) }),
    ...(restored === null ? {} : { restored }),
    ...(sequence === null ? {} : { sequence }),
    ...(watermark === null ? {} : { watermark: watermarkToJson(watermark) }),
    ...(asked === undefined ? {} : { asked: { due: asked.dueMs } }),
  });
}

/** The cursor of a model; null when it never published, or when the fact is not readable. */
export function cursorFromText(text: string | null): Cursor | null {
  if (text === null) return null;
  const value = parsed(text);
  if (!isJsonObject(value) || typeof value.hash !== "string") return null;
  const inputs = placesFromJson(value.inputs);
  const moments = placesFromJson(value.moments ?? {});
  if (inputs === null || moments === null) return null;
  const { restored, sequence } = value;
  return {
    hash: value.hash,
    timezone: typeof value.timezone === "string" ? value.timezone : null,
    inputs,
    moments,
    restored:
      typeof restored === "bigint" || typeof restored === "number" ? BigInt(restored) : null,
    sequence: Array.isArray(sequence) ? sequence.map(String) : null,
    ...(isJsonObject(value.asked) ? { asked: { dueMs: numberOf(value.asked.due) } } : {}),
    ...(value.watermark === undefined ? {} : { watermark: watermarkFromJson(value.watermark) }),
  };
}

/** A table at one of its snapshots, as it is read now. */
export function placeOf(pin: { readonly table: Table; readonly snapshot: Snapshot | null }): Place {
  const { uuid, schema } = pin.table;
  return { uuid, snapshotId: pin.snapshot?.snapshotId ?? null, schemaId: schema.schemaId };
}

function placesToJson(places: ReadonlyMap<string, Place>): JsonObject {
  const json: Record<string, JsonObject> = {};
  for (const [name, place] of [...places].sort(([a], [b]) => compareCodePoints(a, b))) {
    const { uuid, snapshotId, schemaId, corrections } = place;
    json[name] = {
      ...{ uuid, "snapshot-id": snapshotId },
      ...(schemaId === null ? {} : { "schema-id": schemaId }),
      ...(corrections === undefined ? {} : { corrections }),
    };
  }
  return json;
}

function placesFromJson(json: Json | undefined): Map<string, Place> | null {
  if (!isJsonObject(json)) return null;
  const places = new Map<string, Place>();
  for (const [name, place] of Object.entries(json)) {
    if (!isJsonObject(place) || typeof place.uuid !== "string") return null;
    const id = place["snapshot-id"];
    const schemaId = place["schema-id"];
    const { corrections } = place;
    places.set(name, {
      ...(Array.isArray(corrections) ? { corrections: corrections.map(String) } : {}),
      uuid: place.uuid,
      snapshotId: typeof id === "bigint" ? id : null,
      schemaId:
        typeof schemaId === "bigint" || typeof schemaId === "number" ? Number(schemaId) : null,
    });
  }
  return places;
}

function parsed(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function watermarkToJson(state: WatermarkState): Json {
  return {
    us: state.us,
    before: state.beforeUs,
    late: state.lateRows,
    inputs: state.inputs.map((input) => ({
      table: input.table,
      column: input.column,
      delay: input.delayMs,
      idle: input.idleTimeoutMs,
      seen: input.seenUs,
      came: input.cameMs,
      future: input.futureRows,
      furthest: input.furthestUs,
    })),
  };
}

/** Null for what is none. */
function watermarkFromJson(json: Json | undefined): WatermarkState | null {
  if (!isJsonObject(json) || !Array.isArray(json.inputs)) return null;
  const inputs = json.inputs.flatMap((input): InputState[] => {
    if (!isJsonObject(input) || typeof input.table !== "string") return [];
    return [
      {
        table: input.table,
        column: String(input.column),
        delayMs: Number(input.delay ?? 0),
        idleTimeoutMs: numberOf(input.idle),
        seenUs: bigOf(input.seen),
        cameMs: numberOf(input.came),
        futureRows: bigOf(input.future) ?? 0n,
        furthestUs: bigOf(input.furthest),
      },
    ];
  });
  const { us, before, late } = json;
  return { us: bigOf(us), beforeUs: bigOf(before), lateRows: bigOf(late) ?? 0n, inputs };
}

function bigOf(value: Json | undefined): bigint | null {
  return typeof value === "bigint" || typeof value === "number" ? BigInt(value) : null;
}

function numberOf(value: Json | undefined): number | null {
  const big = bigOf(value);
  return big === null ? null : Number(big);
}

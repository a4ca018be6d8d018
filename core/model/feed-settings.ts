/** Settings of change feeds and of full loads, where another kind has them. */

import { below, type Cursor, type Key, report } from "../config/shape.ts";
import { CDC_KEYS, type CdcValues } from "./cdc.ts";
import { SNAPSHOT_KEYS, type SnapshotValues } from "./full-loads.ts";

/** Settings of change feeds and full loads that this kind does not know. */
export function refuseFeedSettings(
  kind: string,
  values: CdcValues & SnapshotValues,
  cursor: Cursor,
): void {
  const keys: Readonly<Record<string, Key<unknown>>> = { ...CDC_KEYS, ...SNAPSHOT_KEYS };
  for (const [name, value] of Object.entries(values)) {
    const key = keys[name];
    if (key === undefined) continue;
    const isSet = Array.isArray(value) ? value.length > 0 : value !== key.absent?.value;
    const owners = ["cdc", "snapshot"].filter((one) => isKnownTo(one, name));
    if (!isSet || owners.includes(kind)) continue;
    const hint =
      OTHER_WORDS[`${kind} ${name}`] ?? `write kind: ${owners.join(" or ")}, or leave it out`;
    report(below(cursor, name), `${name} means nothing for kind ${kind}`, hint, "key");
  }
}

const SHARED = ["keys", "columns", "except"];
const OTHER_WORDS: Readonly<Record<string, string>> = {
  "merge keys": 'did you mean "key"?',
  "merge updated_at": 'did you mean "latest_by"?',
  "cdc updated_at": 'did you mean "sequence_by"?',
  "snapshot track_history": 'did you mean "check_columns"?',
  "snapshot sequence_by": 'did you mean "load_by"?',
};

function isKnownTo(kind: string, name: string): boolean {
  const keys = kind === "cdc" ? CDC_KEYS : SNAPSHOT_KEYS;
  return SHARED.includes(name) || Object.hasOwn(keys, name);
}

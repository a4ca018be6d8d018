/** The settings of full loads: `kind: snapshot` in a model's front comment. Words are dbt's. */

import {
  below,
  type Cursor,
  type Key,
  list,
  nullable,
  oneOf,
  optional,
  report,
  text,
} from "../config/shape.ts";
import { CDC_KEYS, type CdcValues } from "./cdc.ts";
import { type Cdc, type FullLoads, LOAD_COLUMNS } from "./feed.ts";

const NO_TEXT: string | null = null;
const NO_TEXTS: readonly string[] = [];

/** Settings of `kind: snapshot`, beside keys, columns and except. */
export const SNAPSHOT_KEYS = {
  strategy: optional(
    nullable(oneOf(["check", "timestamp"])),
    null,
    "snapshot: what begins a version: changed columns (check), or a later updated_at (timestamp). Default: check.",
  ),
  updated_at: optional(
    nullable(text({})),
    NO_TEXT,
    "snapshot: the column that says when a row changed.",
  ),
  check_columns: optional(
    nullable(list(text({}))),
    null,
    "snapshot, check: columns whose change begins a version. Default: all.",
  ),
  hard_deletes: optional(
    oneOf(["invalidate", "ignore", "new_record"]),
    "invalidate",
    "snapshot: what a key that a load lacks means: its version ends, goes on, or a version says that it is gone.",
  ),
  load_by: optional(
    list(text({})),
    NO_TEXTS,
    "snapshot: columns or expressions that tell loads apart, in their order. Default: each drop is a load.",
  ),
} as const;

/** Words of other tools for these settings, for hints. */
export const SNAPSHOT_WORDS: Readonly<Record<string, string>> = {
  check_cols: 'did you mean "check_columns"?',
  invalidate_hard_deletes: 'did you mean "hard_deletes"?',
};

export interface SnapshotValues extends Pick<CdcValues, "keys" | "columns" | "except"> {
  readonly strategy: "check" | "timestamp" | null;
  readonly updated_at: string | null;
  readonly check_columns: readonly string[] | null;
  readonly hard_deletes: FullLoads["hardDeletes"];
  readonly load_by: readonly string[];
}

/** The settings together, as those of a feed whose changes are in the loads; reports what is missing or contradicts. */
export function snapshotFrom(values: SnapshotValues, cursor: Cursor): Cdc {
  const { keys, updated_at: updatedAt, check_columns: track } = values;
  const strategy = values.strategy ?? (updatedAt === null ? "check" : "timestamp");
  if (keys.length === 0) {
    report(below(cursor, "kind"), "a snapshot needs keys", "add a line such as: keys: customer_id");
  }
  if (strategy === "timestamp" && updatedAt === null) {
    const hint = "add a line such as: updated_at: changed_at";
    report(below(cursor, "strategy"), "the timestamp strategy needs updated_at", hint);
  }
  if (strategy === "check" && updatedAt !== null) {
    const message = "updated_at means nothing for the check strategy";
    report(
      below(cursor, "updated_at"),
      message,
      "write strategy: timestamp, or leave it out",
      "key",
    );
  }
  if (strategy === "timestamp" && track !== null) {
    const message = "check_columns means nothing for the timestamp strategy";
    report(
      below(cursor, "check_columns"),
      message,
      "write strategy: check, or leave it out",
      "key",
    );
  }
  if (values.columns !== null && values.except.length > 0) {
    report(
      below(cursor, "except"),
      "columns and except are one choice",
      "keep one of the two",
      "key",
    );
  }
  const own = new Set([...keys, ...(updatedAt === null ? [] : [updatedAt])].map(lower));
  const needed = values.except.find((name) => own.has(lower(name)));
  if (needed !== undefined) {
    const message = `${needed} says what the row is about: it is always kept`;
    report(below(cursor, "except"), message, "take it off the list", "key");
  }
  return {
    sequenceBy: values.load_by.length > 0 ? values.load_by : LOAD_COLUMNS,
    deleteWhen: null,
    truncateWhen: null,
    ignoreNullUpdates: false,
    columns: values.columns,
    except: values.except,
    scd: 2,
    track,
    trackExcept: [],
    loads: {
      updatedAt: strategy === "timestamp" ? updatedAt : null,
      hardDeletes: values.hard_deletes,
    },
  };
}

function lower(name: string): string {
  return name.toLowerCase();
}

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

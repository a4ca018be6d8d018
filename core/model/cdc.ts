/** The settings of a change feed: `kind: cdc` in a model's front comment. */

import {
  below,
  boolean,
  type Cursor,
  integer,
  list,
  nullable,
  optional,
  report,
  text,
} from "../config/shape.ts";
import type { Cdc } from "./feed.ts";

const NO_TEXTS: readonly string[] = [];
const NO_TEXT: string | null = null;
const NAMES = list(text({}));

/** Settings of `kind: cdc` in a model's front comment. */
export const CDC_KEYS = {
  keys: optional(NAMES, NO_TEXTS, "cdc: columns that name what a change is about."),
  sequence_by: optional(
    NAMES,
    NO_TEXTS,
    "cdc: columns or expressions; of the changes of a key the one with the greatest counts last.",
  ),
  apply_as_delete: optional(
    nullable(text({ examples: ["op = 'd'"] })),
    NO_TEXT,
    "cdc: a condition; such a row takes its key out of the table.",
  ),
  apply_as_truncate: optional(
    nullable(text({ examples: ["op = 't'"] })),
    NO_TEXT,
    "cdc: a condition; such a row empties the table of all that came before it. scd 1 only.",
  ),
  ignore_null_updates: optional(boolean(), false, "cdc: a NULL leaves the value that was there."),
  columns: optional(nullable(NAMES), null, "cdc: the columns to keep. Default: all."),
  except: optional(NAMES, NO_TEXTS, "cdc: the columns not to keep."),
  scd: optional(
    integer({ min: 1, max: 2 }),
    1,
    "cdc: 1 keeps the current row of each key, 2 every version, from __START_AT to __END_AT.",
  ),
  track_history: optional(
    nullable(NAMES),
    null,
    "cdc, scd 2: columns whose change begins a new version. Default: all.",
  ),
  track_history_except: optional(
    NAMES,
    NO_TEXTS,
    "cdc, scd 2: columns whose change updates the version in place.",
  ),
} as const;

/** Words of other tools for these settings, for hints. */
export const CDC_WORDS: Readonly<Record<string, string>> = {
  stored_as_scd_type: 'did you mean "scd"?',
  apply_as_deletes: 'did you mean "apply_as_delete"?',
  apply_as_truncates: 'did you mean "apply_as_truncate"?',
  column_list: 'did you mean "columns"?',
  except_column_list: 'did you mean "except"?',
  track_history_column_list: 'did you mean "track_history"?',
  track_history_except_column_list: 'did you mean "track_history_except"?',
};

export interface CdcValues {
  readonly keys: readonly string[];
  readonly sequence_by: readonly string[];
  readonly apply_as_delete: string | null;
  readonly apply_as_truncate: string | null;
  readonly ignore_null_updates: boolean;
  readonly columns: readonly string[] | null;
  readonly except: readonly string[];
  readonly scd: number;
  readonly track_history: readonly string[] | null;
  readonly track_history_except: readonly string[];
}

/** The settings together; reports those that are missing or contradict each other. */
export function cdcFrom(values: CdcValues, cursor: Cursor): Cdc {
  const scd = values.scd === 2 ? 2 : 1;
  const wrong = (key: keyof CdcValues, message: string, hint: string): undefined =>
    report(below(cursor, key), message, hint, "key");
  if (values.keys.length === 0) {
    report(
      below(cursor, "kind"),
      "a cdc model needs keys",
      "add a line such as: keys: customer_id",
    );
  }
  if (values.sequence_by.length === 0) {
    report(
      below(cursor, "kind"),
      "a cdc model needs the order of its changes",
      "add a line such as: sequence_by: [lsn, position]",
    );
  }
  if (values.columns !== null && values.except.length > 0) {
    wrong("except", "columns and except are one choice", "keep one of the two");
  }
  const key = values.except.find((name) => isAmong(name, values.keys));
  if (key !== undefined)
    wrong("except", `${key} is a key: it is always kept`, "take it off the list");
  if (scd === 2 && values.apply_as_truncate !== null) {
    const hint = "versions end by deletes; leave it out, or write scd: 1";
    wrong("apply_as_truncate", "apply_as_truncate means nothing for scd 2", hint);
  }
  for (const name of ["track_history", "track_history_except"] as const) {
    if (scd === 2 || (values[name] ?? []).length === 0) continue;
    wrong(
      name,
      `${name} means nothing for scd 1: it keeps no history`,
      "write scd: 2, or leave it out",
    );
  }
  if (values.track_history !== null && values.track_history_except.length > 0) {
    const message = "track_history and track_history_except are one choice";
    wrong("track_history_except", message, "keep one of the two");
  }
  return {
    sequenceBy: values.sequence_by,
    deleteWhen: values.apply_as_delete,
    truncateWhen: values.apply_as_truncate,
    ignoreNullUpdates: values.ignore_null_updates,
    columns: values.columns,
    except: values.except,
    scd,
    track: values.track_history,
    trackExcept: values.track_history_except,
    loads: null,
  };
}

/** Names of columns are compared without case, as SQL does. */
function isAmong(name: string, names: readonly string[]): boolean {
  return names.some((one) => one.toLowerCase() === name.toLowerCase());
}

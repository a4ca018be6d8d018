/** What `tarn.yaml` says of a source of `kind: log`. */

import { needed, object, oneOf, optional, text, type Values } from "../../../core/config/shape.ts";

const KEYS = {
  path: needed(
    text({
      check: (path) =>
        path === "" || path.endsWith("/") || path.split("/").includes("..")
          ? "the path of one file: from / on, or from the project's folder on, without .."
          : null,
      examples: ["/var/log/app/access.log", "logs/app.log"],
    }),
    "The file; those that it is rotated to lie beside it and begin with its name.",
  ),
  format: optional(
    oneOf(["json", "text"], { ndjson: "json", jsonl: "json", line: "text", raw: "text" }),
    "json",
    "What a line is: a JSON object, or a text that lands in the column line as it is.",
  ),
  on_gap: optional(
    oneOf(["stop", "continue"], { fail: "stop", skip: "continue" }),
    "stop",
    "What to do when lines are gone that were never read: stop and say so, or go on with what is there.",
  ),
} as const;

export const LOG_SETTINGS = object(KEYS);
export type LogSettings = Values<typeof KEYS>;

/** `kind: push`: what others send to `POST /v1/ingest/<source>` of a running `tarn up`. */

import { type Cursor, report } from "../../../core/config/shape.ts";
import type { SourceConfig } from "../../../core/ingest/contract.ts";
import { streamTable } from "../../../core/ingest/stream.ts";
import { namePartFrom } from "../../../core/table/name.ts";
import { PLAIN, sourceKind } from "../source-kind.ts";
import { PUSH_SETTINGS, type PushSettings } from "./settings.ts";
import { PushSource } from "./source.ts";

function pushTable(name: string): SourceConfig {
  return streamTable(name, "", { into: `bronze.${namePartFrom(name)}`, read: {} });
}

function refuseSettings({ signature, secret }: PushSettings, cursor: Cursor): void {
  if (signature !== "none" && (secret ?? "") === "") {
    report(cursor, `signature: ${signature} needs a secret`, `secret: \${WEBHOOK_SECRET}`);
  }
  if (signature === "none" && secret !== null) {
    report(cursor, "a secret means nothing without a signature", "signature: github");
  }
}

export const PUSH = sourceKind({
  word: "push",
  settings: PUSH_SETTINGS,
  secrets: ["token", "secret"],
  refuse: refuseSettings,
  check: async (name) => [
    { what: "address", state: "ok", text: `POST /v1/ingest/${name}, served by tarn up` },
  ],
  open: async (name, settings, world, configOf) =>
    new PushSource(name, settings, configOf(""), world),
  frame: () => PLAIN,
  tables: () => [""],
  table: (name) => pushTable(name),
});

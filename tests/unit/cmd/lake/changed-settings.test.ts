/** What is said of an edited tarn.yaml while `up` runs. */

import { expect, test } from "bun:test";
import { changedSettings } from "../../../../cmd/lake/changed-settings.ts";
import { must } from "../../../../core/base/assert.ts";
import { type LakeConfig, readConfig } from "../../../../core/config.ts";
import { FILE_SOURCES } from "../../../support/file-sources.ts";

function config(values: Record<string, string>): LakeConfig {
  return must(
    readConfig(values, { folderName: "lake", env: {}, sources: FILE_SOURCES }).config,
    "the settings are valid",
  );
}

test("a zone is followed, what is fixed at the start waits for the next, and the rest is silent", () => {
  const before = config({ timezone: "UTC" });
  expect(changedSettings(before, config({ timezone: "UTC", project: "other" }))).toEqual([]);
  expect(changedSettings(before, config({ timezone: "Asia/Tokyo" }))).toEqual([
    "timezone: Asia/Tokyo from now on; every model runs whole under it",
  ]);
  expect(changedSettings(before, config({ memory: "3GiB", warehouse: "./other" }))).toEqual([
    "warehouse, memory: in force when this is started again",
  ]);
});

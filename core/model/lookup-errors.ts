/** Lookups that ask somebody of whom the configuration knows nothing. */

import { LakeError } from "../base/errors.ts";
import { suggestion } from "../base/suggest.ts";
import type { Model } from "./model.ts";
import { settingPlace } from "./setting-place.ts";

/** An error for each, at its place, with the nearest name. */
export function lookupErrors(
  models: readonly Model[],
  names: ReadonlySet<string>,
): readonly LakeError[] {
  return models.flatMap((model) => {
    const { lookup } = model;
    if (lookup === null || names.has(lookup.from)) return [];
    const hint =
      names.size === 0
        ? `add lookups: { ${lookup.from}: { url: … } } to tarn.yaml`
        : suggestion(lookup.from, [...names], "lookups");
    const message = `${model.name} asks ${lookup.from}, which lookups: of tarn.yaml does not have`;
    return [
      new LakeError("config", message, {
        hint,
        place: settingPlace(model, lookup.from, "from"),
        page: "T0108",
      }),
    ];
  });
}

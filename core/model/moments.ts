/** Whether the moments that models name are there to be read. */

import { LakeError } from "../base/errors.ts";
import type { MomentContext } from "../base/moment.ts";
import type { Catalog } from "../ports.ts";
import { splitVersion } from "../table/version-ref.ts";
import { placeInModel } from "./graph.ts";
import { isInlined } from "./model.ts";
import type { ModelNode } from "./node.ts";
import { type Names, Pins, readsOf } from "./pins.ts";

/** Tags, versions and times that lead nowhere, each at the reference that names it; tables that are not there aside. */
export async function momentErrors(
  catalog: Catalog,
  names: Names,
  nodes: readonly ModelNode[],
  moments: MomentContext,
): Promise<LakeError[]> {
  const pins = await Pins.take(catalog);
  const errors: LakeError[] = [];
  for (const { model, analysis } of nodes) {
    if (isInlined(model.kind)) continue;
    for (const { name, by } of readsOf(names, analysis.tables).fixed) {
      try {
        const ref = await pins.moment(by, name, moments);
        if (ref !== null) await pins.at(name, ref);
      } catch (thrown) {
        if (!(thrown instanceof LakeError)) throw thrown;
        // Below a view the reference stands in another file.
        const isOwn = analysis.tables.includes(by);
        const length = splitVersion(by.name).name.length;
        errors.push(
          new LakeError(thrown.code, thrown.message, {
            ...(thrown.hint === null ? {} : { hint: thrown.hint }),
            place: placeInModel(model, isOwn ? by.offset : null, length),
            cause: thrown,
          }),
        );
      }
    }
  }
  return errors;
}

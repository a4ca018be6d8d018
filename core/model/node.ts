/** A model with what its query was found to be. */

import type { Analysis } from "../engine.ts";
import type { Model } from "./model.ts";

export interface ModelNode {
  readonly model: Model;
  readonly analysis: Analysis;
}

/** Where a rebuild as of an earlier moment goes: into tables beside the live ones, or in their place when asked. */

import type { Catalog } from "../ports.ts";
import { splitName } from "../table/name.ts";
import type { TableName } from "../table/types.ts";
import type { ModelNode } from "./node.ts";
import { Pins } from "./pins.ts";

export interface AtOptions {
  /** Inputs are read as of this instant; null is now. */
  readonly atMs: number | null;
  /** What is rebuilt as of then becomes the live tables; the next build goes on from there. */
  readonly promote: boolean;
}

/** Namespaces of tables that were rebuilt as of an earlier moment. */
const BESIDE = "_replay";

/** Whether the live tables stay as they are. */
export function isBeside(options: AtOptions): boolean {
  return options.atMs !== null && !options.promote;
}

/** The model as it is rebuilt beside its table: `silver.orders` into `silver_replay.orders`. */
export function besideNode(node: ModelNode): ModelNode {
  const { namespace, table } = splitName(node.model.name);
  return { ...node, model: { ...node.model, name: `${namespace}${BESIDE}.${table}` } };
}

/** Inputs as of the moment; tables that are written, as they are now. */
export async function pinsFor(
  catalog: Catalog,
  nodes: readonly ModelNode[],
  options: AtOptions,
): Promise<Pins> {
  if (options.atMs === null) return Pins.take(catalog);
  const written = new Set<TableName>(options.promote ? nodes.map((node) => node.model.name) : []);
  const isNow = (name: TableName): boolean =>
    written.has(name) || name.split(".")[0]?.endsWith(BESIDE) === true;
  return Pins.takeAt(catalog, options.atMs, isNow);
}

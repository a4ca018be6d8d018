/** What a dbt project is made of: nodes with their settings and their place in the lake. */

import type { Place } from "../../../core/base/errors.ts";
import type { Increment } from "../../../core/model/model.ts";
import type { NodeConfig } from "./config-tree.ts";
import type { Template } from "./jinja/syntax.ts";
import type { DbtPackage } from "./package.ts";
import type { Entry } from "./properties.ts";
import type { Relation } from "./relation.ts";

export type NodeKind = "model" | "seed" | "snapshot";

export interface DbtNode {
  readonly kind: NodeKind;
  readonly name: string;
  readonly package: DbtPackage;
  /** Relative to the project. */
  readonly file: string;
  /** The line where it begins: of a snapshot, its block's. */
  readonly line: number;
  readonly text: string;
  /** Null for a seed, and a snapshot of a relation. */
  readonly template: Template | null;
  /** The name of its macro in the template; null: all of it. */
  readonly block: string | null;
  /** Of it in properties files. */
  readonly entry: Entry | null;
  readonly config: NodeConfig;
  /** `model.shop.orders`. */
  readonly id: string;
  /** Package, folders, name. */
  readonly fqn: readonly string[];
  relation: Relation;
}

/** What a template of a node came to. */
export interface Compiled {
  readonly sql: string;
  /** Ids of nodes and sources that it names. */
  readonly reads: ReadonlySet<string>;
  /** Relations that it names, by what SQL names them. */
  readonly tables: ReadonlyMap<string, string>;
}

/** The queries of a node: of all rows, and how its table goes on. */
export interface Queries {
  readonly sql: string;
  readonly increment: Increment | null;
  /** Ids of what the second one names. */
  readonly reads?: Iterable<string>;
}

export function settingOf(node: DbtNode, key: string): unknown {
  return node.config.values.get(key);
}

/** Where a setting of a node stands; its own file where it is said there. */
export function placeOfSetting(node: DbtNode, key: string): Place {
  const said = node.config.said.get(key);
  if (said === undefined || said.file === null) return nodePlace(node);
  return said.file.placeOf(said.path, "key");
}

export function nodePlace({ file, line }: DbtNode): Place {
  return { file, line, column: 1 };
}

/** The contract that a batch is decoded under, and the one that it leaves behind. */

import type { Catalog } from "../ports.ts";
import type { Contract, ReadOptions, SourceConfig } from "./contract.ts";
import { contractDiffers, declaredContract, withoutDeclared } from "./contract-rules.ts";
import type { DecodedGroup } from "./decode-group.ts";

/** The stored contract, or what became of it where tarn.yaml was edited since; null before the first file. */
export async function currentContract(
  catalog: Catalog,
  config: SourceConfig,
): Promise<Contract | null> {
  const stored = await catalog.ledger.contract(config.name);
  const contract = withColumns(stored, config);
  if (stored === null || contract === null) return contract;
  const isSame = stored.read !== null && readingDifferences(stored.read, config.read).length === 0;
  if (isSame) return contract;
  return { ...contract, read: config.read, version: stored.version + 1 };
}

/** The settings that files are read otherwise by; one that an older version did not know is not held against it. */
export function readingDifferences(stored: ReadOptions, now: ReadOptions): string[] {
  const before: ReadonlyMap<string, unknown> = new Map(Object.entries(stored));
  return Object.entries(now)
    .filter(([key, value]) => before.has(key) && textOf(before.get(key)) !== textOf(value))
    .map(([key]) => key);
}

function textOf(value: unknown): string {
  return JSON.stringify(value);
}

function withColumns(stored: Contract | null, config: SourceConfig): Contract | null {
  const declared = declaredContract(config);
  if (declared === null) return stored === null ? null : withoutDeclared(stored);
  if (stored === null) return declared;
  if (!contractDiffers(stored, declared)) return stored;
  const names = new Set(declared.columns.map((column) => column.name));
  // A column that is declared no longer goes on with the type that its rows have.
  const learned = stored.columns
    .filter((column) => !names.has(column.name) && (!column.declared || config.schema === "evolve"))
    .map((column) => ({ ...column, declared: false, required: false }));
  return { ...declared, version: stored.version + 1, columns: [...declared.columns, ...learned] };
}

/** What was learned beyond the stored contract; null where it is that one. */
export function newContract(
  stored: Contract | null,
  group: Pick<DecodedGroup, "contract">,
): Contract | null {
  if (group.contract === null) return null;
  return stored?.version === group.contract.version ? null : group.contract;
}

/** The contract that a batch is decoded under, and the one that it leaves behind. */

import type { Catalog } from "../ports.ts";
import type { Contract, FileSourceConfig } from "./contract.ts";
import { contractDiffers, declaredContract, withoutDeclared } from "./contract-rules.ts";
import type { DecodedGroup } from "./decode-group.ts";

/** The stored contract, or the declared one where it is new or was edited. */
export async function currentContract(
  catalog: Catalog,
  config: FileSourceConfig,
): Promise<Contract | null> {
  const stored = await catalog.ledger.contract(config.name);
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

/** Files that were set aside whole and have another name by now: what came of each is known by its bytes. */

import { partitionOf } from "./folders.ts";
import type { LedgerFile } from "./ledger.ts";
import type { Claim } from "./source.ts";

/** Answers what the first bytes of a claim are, by how many; sizes that it does not have are left out. */
export interface Hashes {
  prefixes(
    claim: Claim,
    sizes: readonly number[],
  ): Promise<ReadonlyMap<number, { readonly sha256: string }>>;
}

/**
 * For each claim what of `aside` is now called as the claim is: all of its bytes are the claim's first, and it is the
 * same file on disk, or its own name holds something else. What is packed is known only as it was: a packed text that
 * was cut says nothing of how it goes on.
 */
export async function movedAside(
  aside: readonly LedgerFile[],
  prefixes: Hashes,
  claims: readonly Claim[],
): Promise<ReadonlyMap<Claim, readonly LedgerFile[]>> {
  const moved = new Map<Claim, readonly LedgerFile[]>();
  const claimByName = new Map(claims.map((claim) => [claim.file, claim]));
  for (const claim of claims) {
    const mayBe = aside.filter((one) => {
      const isOther = one.file !== claim.file && one.sizeBytes <= claim.sizeBytes;
      if (one.sizeBytes === 0) return false;
      const own = claimByName.get(one.file);
      const isLeft = own !== undefined && own.sha256 !== one.sha256;
      const isThere = isLeft || one.inode === claim.inode;
      return isOther && isThere && partitionOf(one.file) === partitionOf(claim.file);
    });
    const found = await beginningWith(prefixes, claim, mayBe);
    if (found.length > 0) moved.set(claim, found);
  }
  return moved;
}

async function beginningWith(
  prefixes: Hashes,
  claim: Claim,
  files: readonly LedgerFile[],
): Promise<LedgerFile[]> {
  const sizes = files.map(({ sizeBytes }) => sizeBytes).filter((size) => size < claim.sizeBytes);
  const found = sizes.length === 0 ? null : await prefixes.prefixes(claim, sizes);
  return files.filter(({ sizeBytes, sha256 }) => {
    const isWhole = sizeBytes === claim.sizeBytes;
    return sha256 === (isWhole ? claim.sha256 : found?.get(sizeBytes)?.sha256);
  });
}

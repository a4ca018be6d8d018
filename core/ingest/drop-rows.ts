/** Quarantined rows given up for good; the originals still hold them. */

import type { SourceConfig } from "./contract.ts";
import type { LandingPorts } from "./landing.ts";
import type { Fix } from "./ledger.ts";
import type { RetryItem } from "./retry-item.ts";

/** The rows do not land any more, whatever reads their files again, and whatever is restored. */
export async function dropRows(
  { catalog, clock }: Pick<LandingPorts, "catalog" | "clock">,
  { name: source, into: table }: SourceConfig,
  items: readonly Pick<RetryItem, "id" | "batch" | "file" | "position">[],
): Promise<void> {
  const nowMs = clock.nowMs();
  const given = { source, table, raw: null, createdMs: nowMs, batch: null };
  const fixes = items.map(({ id, batch, file, position }): Fix => {
    const place = { sha256: "", position, of: { batch, file } };
    return { id, place, action: "drop", ...given };
  });
  await catalog.ledger.addFixes(fixes);
  const event = { status: "dropped", timeMs: nowMs, batch: "", note: null } as const;
  await catalog.ledger.addQuarantineEvents(items.map(({ id }) => ({ id, ...event })));
}

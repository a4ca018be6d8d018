/** Quarantined rows that were given up; the originals still hold them. */

import type { SourceConfig } from "./contract.ts";
import type { LandingPorts } from "./landing.ts";
import type { Fix, LedgerFile, QuarantineEvent } from "./ledger.ts";
import type { RetryItem } from "./retry-item.ts";

type GivenUp = Pick<RetryItem, "id" | "batch" | "file" | "position">;

/**
 * The rows do not land any more, whatever reads their files again. They are given up as they were read last: a restore
 * to where their files were read otherwise, and the rows perhaps landed, counts as if that had never been said.
 */
export async function dropRows(
  { catalog, clock }: Pick<LandingPorts, "catalog" | "clock">,
  { name: source, into: table }: SourceConfig,
  items: readonly GivenUp[],
): Promise<void> {
  const { ledger } = catalog;
  const names = [...new Set(items.map(({ file }) => file))];
  const live = new Map(
    (await ledger.files({ source, names, live: true })).map((file) => [placeOf(file), file.batch]),
  );
  const nowMs = clock.nowMs();
  const fixes: Fix[] = [];
  const events: QuarantineEvent[] = [];
  for (const { id, batch: landsAs, file, position } of items) {
    const place = { sha256: "", position, of: { batch: landsAs, file } };
    const readBy = live.get(placeOf({ landsAs, file })) ?? null;
    const given = { action: "drop", raw: null, createdMs: nowMs, batch: readBy } as const;
    fixes.push({ id, source, table, place, ...given });
    events.push({ id, status: "dropped", timeMs: nowMs, batch: readBy ?? "", note: null });
  }
  await ledger.addFixes(fixes);
  await ledger.addQuarantineEvents(events);
}

function placeOf({ landsAs, file }: Pick<LedgerFile, "landsAs" | "file">): string {
  return `${landsAs}\n${file}`;
}

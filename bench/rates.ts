/** Rows a second of two that read the same, side by side. */

import { MIB, spread } from "./measure.ts";

/** What one pair of runs was like. */
export interface Pair {
  readonly rows: number;
  readonly ms: number;
  readonly cpuUs: number;
  readonly peakRssBytes: number;
  readonly peerMs: number;
}

export const RATE_COLUMNS = ["ratio", "us CPU/row", "RSS MiB"] as const;

/** Ours, the peer's, and what is in RATE_COLUMNS: medians with their range. */
export function rates(pairs: readonly Pair[]): string[] {
  const mine = spread(pairs.map(({ rows, ms }) => rows / (ms / 1_000)));
  const peer = spread(pairs.map(({ rows, peerMs }) => rows / (peerMs / 1_000)));
  return [
    rateText(mine),
    rateText(peer),
    (mine.median / peer.median).toFixed(2),
    spread(pairs.map(({ cpuUs, rows }) => cpuUs / rows)).median.toFixed(2),
    spread(pairs.map(({ peakRssBytes }) => peakRssBytes / MIB)).median.toFixed(0),
  ];
}

export function rateText({ median, min, max }: ReturnType<typeof spread>): string {
  const thousands = (value: number) => `${Math.round(value / 1_000)}k`;
  return `${thousands(median)} (${thousands(min)}-${thousands(max)})`;
}

/** Numbers, durations, sizes and ages as people read them. */

import { thousands } from "../../core/base/quantity.ts";

/** `31,204` up to a hundred thousand, then `1.2M`, `14.2M`, `3.1B`. */
export function aboutCount(value: number | bigint): string {
  const number = Number(value);
  if (Math.abs(number) < 100_000) return thousands(value);
  for (const [size, unit] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
  ] as const) {
    if (Math.abs(number) >= size * 0.9995) return `${trimmed(number / size)}${unit}`;
  }
  return `${Math.round(number / 1000)}K`;
}

/** `0.4 ms`, `14 ms`, `0.83 s`, `12.1 s`, `2 m 14 s`, `2 h 14 m`, `3 d 4 h`. */
export function durationText(ms: number): string {
  if (ms < 9.95) return `${trimmed(ms)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return twoUnits(Math.floor(seconds / 60), "m", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return twoUnits(Math.floor(minutes / 60), "h", minutes % 60, "m");
  const hours = Math.round(minutes / 60);
  return twoUnits(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** `812 B`, `41 MB`, `1.1 GB`: decimal units, as disks are sold and `ls -h --si` prints. */
export function bytesText(bytes: number | bigint): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let size = Number(bytes);
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${unit === 0 || size >= 9.95 ? Math.round(size) : trimmed(size)} ${units[unit]}`;
}

/** `just now`, `4 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function agoText(ageMs: number): string {
  const seconds = Math.floor(ageMs / 1000);
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${thousands(Math.floor(seconds / 86_400))} d ago`;
}

function twoUnits(big: number, bigUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

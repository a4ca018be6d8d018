/** What an examination of the installation and the lake found. */

export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "bad";
  readonly text: string;
  /** What to do about it. */
  readonly todo?: string;
}

/** How contracts may change: the words of schema registries. */

/** Which of two contracts reads what the other wrote; transitive modes ask all versions, the others the last. */
export type Compatibility = (typeof COMPATIBILITIES)[number];

export const COMPATIBILITIES = [
  "none",
  "backward",
  "backward_transitive",
  "forward",
  "forward_transitive",
  "full",
  "full_transitive",
] as const;

/** What a transaction or a statement does to tables beside its rows. */

/** Names are `schema.table`. */
export type Effect =
  /** It is new, and all of its rows come by the log. */
  | { readonly kind: "made"; readonly name: string }
  | { readonly kind: "dropped"; readonly name: string }
  /** It has another name now, and its rows with it. */
  | { readonly kind: "renamed"; readonly name: string; readonly to: string }
  /** Rows of it changed of which the log says nothing. */
  | { readonly kind: "lost"; readonly name: string; readonly why: string }
  /** It may have other columns, or columns of other types. */
  | { readonly kind: "altered"; readonly name: string };

/** A group of events that belong together, whole. */
export interface Group {
  readonly gtid: string;
  /** Microseconds since 1970. */
  readonly committedUs: number;
  readonly effects: readonly Effect[];
}

/** Files that have nothing to do with the table that their source fills. */

import type { DecodeRequest, FileFault } from "../../core/engine.ts";
import { sourceColumns, unknownNames } from "./target-columns.ts";

const NAMES_SHOWN = 5;
const NAME_CHARS_SHOWN = 40;

/**
 * What is wrong with a file of these columns, folders left out: where new columns are taken, and it has none of the
 * table's, its rows would be without a value in all of them. Null for any other.
 */
export function strangerFault(request: DecodeRequest, names: readonly string[]): FileFault | null {
  if (request.holdsStrangers !== true) return null;
  const columns = sourceColumns(request);
  const isStranger = unknownNames(names, columns).length === names.length;
  if (!isStranger || names.length === 0 || columns.length === 0) return null;
  const known = columns.map(({ decode }) => decode.source);
  const message =
    `it shares no column with its table: it has ${shown(names)}, the table ${shown(known)}; give it a folder of ` +
    `its own, or let it land with strangers: land for ${request.source}`;
  return { reason: "stranger", message };
}

function shown(names: readonly string[]): string {
  const more = names.length > NAMES_SHOWN ? ", …" : "";
  const cut = (name: string) =>
    name.length > NAME_CHARS_SHOWN ? `${name.slice(0, NAME_CHARS_SHOWN)}…` : name;
  return `${names.slice(0, NAMES_SHOWN).map(cut).join(", ")}${more}`;
}

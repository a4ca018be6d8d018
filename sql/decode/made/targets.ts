/** Where the values of a file's names land, for readers that make a value for the column that it is for. */

import type { DecodeRequest } from "../../../core/engine.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { findName, sourceColumns } from "../target-columns.ts";

export interface Target {
  readonly type: Type;
  /** It lands as what an expression makes of it: as it was received it may stand nowhere. */
  readonly isRedacted: boolean;
}

export type TargetOf = (name: string) => Target;

/** By the columns of the request; of a name without one, by what the file says. */
export function requestTargets(request: DecodeRequest, said: ReadonlyMap<string, Type>): TargetOf {
  const columns = sourceColumns(request);
  const names = columns.map(({ decode }) => decode.source);
  return (name) => {
    const column = columns[findName(names, name)];
    return {
      type: column?.decode.awaits ?? column?.field.type ?? said.get(name) ?? STRING,
      isRedacted: (column?.decode.expression ?? null) !== null,
    };
  };
}

/** By what the file says alone. */
export function saidTargets(said: ReadonlyMap<string, Type>): TargetOf {
  return (name) => ({ type: said.get(name) ?? STRING, isRedacted: false });
}

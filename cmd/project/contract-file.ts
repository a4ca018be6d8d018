/** Contract documents on disk, in YAML or JSON, with places for what is wrong in them. */

import { readFileSync, statSync } from "node:fs";
import { errorText, LakeError, systemCode } from "../../core/base/errors.ts";
import { issueError, placeAt } from "../../core/config/place.ts";
import type { Cursor, Issue } from "../../core/config/shape.ts";
import { statedContract } from "../../core/contract/document.ts";
import type { StatedContract } from "../../core/contract/stated.ts";
import { CONTRACT_BYTES_MAX } from "../../core/limits.ts";
import { parseYaml } from "./yaml.ts";

export interface ContractFile {
  /** Null where there are errors. */
  readonly stated: StatedContract | null;
  /** With places, of at least one where nothing is stated. */
  readonly errors: readonly LakeError[];
  readonly warnings: readonly LakeError[];
}

/** `file` is how messages name what is at `path`; `names` are words that its entry for the table may be called by. */
export function readContractFile(
  path: string,
  file: string,
  names: readonly string[],
): ContractFile {
  const text = textAt(path, file);
  if (text instanceof LakeError) return { stated: null, errors: [text], warnings: [] };
  const parsed = parseYaml(text);
  const [problem] = parsed.problems;
  if (problem !== undefined) {
    const error = new LakeError("config", `not YAML or JSON: ${problem.message}`, {
      place: placeAt(text, file, problem.span),
      page: "T0109",
    });
    return { stated: null, errors: [error], warnings: [] };
  }
  const issues: Issue[] = [];
  const cursor: Cursor = { path: [], issues };
  const stated = statedContract(parsed.data, { names }, cursor) ?? null;
  const of = (severity: Issue["severity"]): LakeError[] =>
    issues
      .filter((issue) => issue.severity === severity)
      .map((issue) => issueError(issue, { text, file, parsed, offset: 0 }));
  const errors = of("error");
  return { stated: errors.length > 0 ? null : stated, errors, warnings: of("warning") };
}

function textAt(path: string, file: string): string | LakeError {
  try {
    const { size } = statSync(path);
    if (size > CONTRACT_BYTES_MAX) {
      return new LakeError("config", `${file} is larger than ${CONTRACT_BYTES_MAX} bytes`);
    }
    return readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (thrown) {
    const isAbsent = systemCode(thrown) === "ENOENT";
    const said = isAbsent
      ? `there is no contract ${file}`
      : `the contract ${file} cannot be read: ${errorText(thrown)}`;
    return new LakeError("config", said, {
      cause: thrown,
      hint: "tarn contract export TABLE > contracts/TABLE.yaml writes one to begin with",
    });
  }
}

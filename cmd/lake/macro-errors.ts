/** What is wrong with macros beyond their definitions: bodies that are no SQL, calls of what is no macro. */

import { LakeError } from "../../core/base/errors.ts";
import { nearestWord } from "../../core/base/suggest.ts";
import type { Macro } from "../../core/model/macros.ts";
import { bindSql } from "../../core/model/variables.ts";
import type { Session } from "../open.ts";
import { MODEL_TOOLS } from "../project/model-tools.ts";

/** Bodies that do not parse, whoever calls them, and variables in them that nobody declares. */
export async function macroErrors({ project, config, ports }: Session): Promise<LakeError[]> {
  const errors: LakeError[] = [];
  const binder = { ...MODEL_TOOLS, variables: config.variables, macros: project.macros };
  for (const macro of project.macros.values()) {
    for (const { body, isTable } of macro.forms) {
      const { sql, problems } = bindSql(isTable ? body : `SELECT ${body}`, binder);
      errors.push(...problems.map((one) => wrong(macro, one.message, one.hint, one.page)));
      try {
        await ports.engine.analyze({ sql, conditions: [] });
      } catch (thrown) {
        if (!(thrown instanceof LakeError)) throw thrown;
        // What a table means that a parameter names is known at its calls alone.
        if (!thrown.message.startsWith("syntax error")) continue;
        errors.push(wrong(macro, `${macro.name}: ${thrown.message}`, "mend its body"));
      }
    }
  }
  return errors;
}

/** The same error, which names the macro that a function that is not there may be meant to be. */
export function withMacros(error: LakeError, { project }: Session): LakeError {
  const called = /(?:there is no function |Function with name )(\w+)/.exec(error.message)?.[1];
  const names = [...project.macros.values()].map(({ name }) => name);
  const near = called === undefined ? null : nearestWord(called, names);
  if (near === null) return error;
  return new LakeError(error.code, error.message, {
    hint: `did you mean the macro "${near}"?`,
    ...(error.page === null ? {} : { page: error.page }),
    ...(error.place === null ? {} : { place: error.place }),
    cause: error,
  });
}

function wrong({ place }: Macro, message: string, hint: string, page = "T0121"): LakeError {
  return new LakeError("config", message, { hint, place, page });
}

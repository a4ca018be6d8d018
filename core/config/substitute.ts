/** `${VAR}`, `${VAR:-default}` and `${VAR:?message}` in the texts of a configuration. */

import { type Issue, isRecord, type Path } from "./shape.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\$\{|\$\{([^}]*)\}/g;
const BODY = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-?])([\s\S]*))?$/;

/**
 * Plain data with its texts substituted. Only values change, never keys, and only after parsing, so a variable cannot
 * bring structure. As in a shell, `:-` also stands in for an empty variable; `$${` is a literal `${`.
 */
export function substitute(value: unknown, env: Environment, issues: Issue[]): unknown {
  return walk(value, [], (text, path) => substituteText(text, path, env, issues));
}

function walk(value: unknown, path: Path, replace: (text: string, path: Path) => string): unknown {
  if (typeof value === "string") return value.includes("${") ? replace(value, path) : value;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return items.map((item, index) => walk(item, [...path, index], replace));
  }
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key], replace)]),
  );
}

function substituteText(text: string, path: Path, env: Environment, issues: Issue[]): string {
  const wrong = (message: string, hint: string): string => {
    issues.push({ path, at: "value", severity: "error", message, hint });
    return "";
  };
  return text.replace(REFERENCE, (whole, body: string | undefined) => {
    if (body === undefined) return "${";
    const [, name, operator, word] = BODY.exec(body) ?? [];
    if (name === undefined) {
      return wrong(
        `${whole} is not a variable`,
        `write \${NAME}, \${NAME:-default} or $\${ for a literal \${`,
      );
    }
    const given = env[name];
    const isSet = given !== undefined && (given !== "" || !operator?.startsWith(":"));
    if (isSet) return given;
    if (operator?.endsWith("-")) return word ?? "";
    const said = operator?.endsWith("?") && word !== "" ? `: ${word}` : "";
    return wrong(
      `the variable ${name} is not set${said}`,
      `set it, put it in .env, or write \${${name}:-default}`,
    );
  });
}

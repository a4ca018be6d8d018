/** A condition on a row as a query, so that the engine can parse it alone. */

/** The line end closes a comment at the condition's own end. */
export function conditionQuery(condition: string): string {
  return `SELECT (${condition}\n)`;
}

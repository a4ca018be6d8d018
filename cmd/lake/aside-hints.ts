/** What of a source's settings reads such rows right, by the reason that they were set aside for. */

/** Lines for people: what to look at in tarn.yaml. */
export function hintsFor(source: string, reasons: ReadonlySet<string>): readonly string[] {
  const hints: string[] = [];
  if (reasons.has("encoding")) {
    hints.push(
      `bytes that are not UTF-8: encoding: windows-1252 (or what they are) for ${source} in tarn.yaml,`,
      `then: tarn quarantine retry ${source} --reason encoding`,
    );
  }
  return hints;
}

/** What brokers and networks answer when something is wrong, as errors that a person can act on. */

import { type ErrorCode, errorText, LakeError, systemCode } from "../../../core/base/errors.ts";

/** Numbers that brokers answer with. Kafka, "Error Codes". */
export const ERROR = {
  outOfRange: 1,
  unknownTopic: 3,
  topicRefused: 29,
  clusterRefused: 31,
  mechanismUnknown: 33,
  loginRefused: 58,
} as const;

/** Another broker leads now, or this one is not ready: looking again helps. */
const PASSING: ReadonlySet<number> = new Set([
  2, 3, 5, 6, 7, 8, 9, 13, 56, 72, 74, 75, 76, 78, 100,
]);

export function isPassing(error: number): boolean {
  return PASSING.has(error);
}

/** An error of the source. */
export function refusal(code: ErrorCode, message: string, hint: string): LakeError {
  return new LakeError(code, message, { hint, scope: "source" });
}

/** A broker answered with a number that waiting does not mend. */
export function answered(error: number, about: string): LakeError {
  if (error === ERROR.topicRefused || error === ERROR.clusterRefused) {
    return refusal(
      "config",
      `the user may not read ${about}`,
      `let it: kafka-acls --add --allow-principal User:<user> --operation Read --operation Describe --topic <topic>`,
    );
  }
  const hint = "the broker's log says more; it is tried again";
  return refusal("io", `the broker answered error ${error} for ${about}`, hint);
}

/** No connection, or none any more; `isEncrypted` is what was tried. */
export function unreachable(thrown: unknown, broker: string, isEncrypted: boolean): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const certificate = certificateHint(systemCode(thrown));
  const code = certificate === null ? "io" : "config";
  return new LakeError(code, `${broker}: ${errorText(thrown)}`, {
    hint: certificate ?? (isEncrypted ? ENCRYPTED : PLAIN),
    scope: "source",
    cause: thrown,
  });
}

const RUNS = "see that the broker runs, and that brokers: names it;";
const ENCRYPTED = `${RUNS} one whose listener is not encrypted is read with tls: false`;
const PLAIN = `${RUNS} one that wants encryption (tls: true) or a login (sasl) hangs up`;

/** What to do about a certificate; null for what has nothing to do with one. Node, "X509 certificate error codes". */
function certificateHint(code: string): string | null {
  if (code.includes("ALTNAME")) return "name the broker in brokers: as its certificate does";
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return "its certificate is not valid now: renew it";
  }
  if (!/CERT|SIGNATURE/.test(code)) return null;
  return "name the file with the authority that signed the certificate: tls_ca";
}

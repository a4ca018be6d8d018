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

/** No connection, or none any more. */
export function unreachable(thrown: unknown, broker: string): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const code = systemCode(thrown);
  const isCertificate = /CERT|SIGNATURE|ALTNAME/.test(code);
  return new LakeError(isCertificate ? "config" : "io", `${broker}: ${errorText(thrown)}`, {
    hint: isCertificate
      ? "name the file with the authority that signed the certificate: tls_ca"
      : "see that the broker runs, and that brokers: names it; with TLS it wants tls: true",
    scope: "source",
    cause: thrown,
  });
}

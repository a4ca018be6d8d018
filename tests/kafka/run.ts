/** `npm run test:kafka`: brokers, registries and connectors as they are, from Maven, read by the compiled program. */

import { buildIfStale } from "../../examples/shop/binary.ts";
import { runSteps, suite } from "../support/steps.ts";

const code = await buildIfStale();
if (code !== 0) process.exit(code);
const steps = ["topics", "access", "avro", "protobuf", "compatibility", "debezium"].map((name) =>
  suite(
    name,
    [`tests/kafka/${name}.test.ts`],
    "needs java and mvn; what is fetched stays in ~/.cache",
  ),
);
process.exit(await runSteps(steps, process.argv.slice(2)));

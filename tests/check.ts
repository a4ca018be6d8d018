/** `npm run check`: types, lint and house rules. Names of steps may follow: `npm run check -- tidy`. */

import { CHECKS, runSteps } from "./support/steps.ts";

process.exit(await runSteps(CHECKS, process.argv.slice(2)));

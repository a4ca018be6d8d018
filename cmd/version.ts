/** Which program this is: put in by cmd/build.ts, absent when it runs from the sources. */

declare const LAKE_VERSION: string | undefined;
declare const LAKE_BUILD: string | undefined;

/** As in package.json. */
export const VERSION = typeof LAKE_VERSION === "string" ? LAKE_VERSION : "0.0.0-dev";

/** Commit, platform and runtime of the build. */
export const BUILD = typeof LAKE_BUILD === "string" ? LAKE_BUILD : "from the sources";

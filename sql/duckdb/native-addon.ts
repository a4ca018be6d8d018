/** Holds the loaded native addon for the module that stands in for `@duckdb/node-bindings` in the binary. */

let addon: unknown = null;

export function setNativeAddon(exports: unknown): void {
  addon = exports;
}

/** Called while `@duckdb/node-api` is evaluated, which is after `setNativeAddon`. */
export function nativeAddon(): unknown {
  return addon;
}

/** Loaded before every test file: a printed seed for property tests, and no network. */

import fc from "fast-check";

const given = process.env.TARN_SEED;
const seed = given === undefined ? (Date.now() ^ (process.pid << 8)) | 0 : Number(given);
fc.configureGlobal({ seed });
process.env.TARN_SEED = String(seed);
globalThis.fetch = Object.assign(() => Promise.reject(new Error("tests have no network")), {
  preconnect: () => {},
});

/** Recorded locations and the paths below a lake's root. */

import { expect, test } from "bun:test";
import {
  absolutePath,
  recordedLocation,
  relativePath,
} from "../../../../storage/iceberg/recorded-files.ts";

test("all spellings of a local file open the same path, nothing is decoded", () => {
  for (const location of [
    "/lake/a%20b",
    "file:/lake/a%20b",
    "file:///lake/a%20b",
    "file://localhost/lake/a%20b",
  ]) {
    expect(absolutePath(location)).toBe("/lake/a%20b");
    expect(relativePath(location, "/lake")).toBe("a%20b");
    expect(relativePath(location, "/lake/")).toBe("a%20b");
  }
  expect(recordedLocation("/lake/x")).toBe("file:///lake/x");
});

test("what is not below the lake is refused", () => {
  expect(() => absolutePath("s3://bucket/x")).toThrow("not on the local disk");
  expect(() => absolutePath("file://host/x")).toThrow("not on the local disk");
  expect(() => relativePath("file:///lakes/x", "/lake")).toThrow("outside the lake");
  expect(() => relativePath("file:///lake/../etc/passwd", "/lake")).toThrow("climbs out");
});

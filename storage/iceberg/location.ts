/** Recorded locations (`file:///abs/…`) and the paths that FileIO opens. Never percent-decoded. */

import { LakeError } from "../../core/base/errors.ts";

/** The location to record for an absolute path. Iceberg spec, "Paths in Metadata": with a scheme. */
export function recordedLocation(absolutePath: string): string {
  return `file://${absolutePath}`;
}

/** The absolute local path of a recorded location. Throws `unsupported` for other schemes. */
export function absolutePath(recorded: string): string {
  const path = /^file:\/\/localhost(?=\/)/.test(recorded)
    ? recorded.slice("file://localhost".length)
    : recorded.replace(/^file:(?:\/\/)?(?=\/(?!\/))/, "");
  if (!path.startsWith("/")) {
    throw new LakeError("unsupported", `location ${recorded} is not on the local disk`, {
      hint: "only file:///… and plain absolute paths can be read; copy the table onto this machine",
    });
  }
  if (path.split("/").includes("..")) {
    throw new LakeError("corrupt", `location ${recorded} climbs out of its folder`, {
      hint: "the metadata names a path with '..'; it was not written by a correct engine",
    });
  }
  return path;
}

/**
 * Path relative to FileIO's root of a recorded location. `recordedRoot` is the lake's root as locations know
 * it, absolute. Throws `unsupported` when the location is outside of it.
 */
export function relativePath(recorded: string, recordedRoot: string): string {
  const path = absolutePath(recorded);
  const root = recordedRoot.endsWith("/") ? recordedRoot : `${recordedRoot}/`;
  if (!path.startsWith(root)) {
    throw new LakeError("unsupported", `${recorded} lies outside the lake ${recordedRoot}`, {
      hint: "register only tables whose files are below the lake's root",
    });
  }
  return path.slice(root.length);
}

/** Recorded location of the folder of a table's metadata. */
export function metadataFolder(metadata: { readonly location: string }): string {
  return `${metadata.location.replace(/\/+$/, "")}/metadata`;
}

/** Recorded location of the folder of a table's data. */
export function dataFolder(metadata: { readonly location: string }): string {
  return `${metadata.location.replace(/\/+$/, "")}/data`;
}

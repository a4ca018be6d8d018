/** The native files inside the binary. In development there are none: cmd/build.ts puts another module here. */

export interface NativeFile {
  /** The name that the dynamic linker asks for. */
  readonly name: string;
  /** Where the binary holds it; zstd-compressed. */
  readonly embedded: string;
  /** Of the file as unpacked, hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Null in development, where npm's package is loaded instead. */
export const NATIVE_FILES: readonly NativeFile[] | null = null;

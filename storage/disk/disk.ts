/** The system calls that storage makes: a simulated disk can stand in their place and lose what was not synced. */

export type DiskKind = "file" | "folder" | "symlink" | "fifo" | "socket" | "device";

export interface DiskStat {
  readonly kind: DiskKind;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Nanoseconds, for seeing that a file changed. */
  readonly modifiedNs: bigint;
  /** Likewise, of a change that keeps the time of modification: another content with the old time, a rename. */
  readonly changedNs: bigint;
  /** `dev:inode`. */
  readonly inode: string;
  /** Permission bits. */
  readonly mode: number;
}

export interface DiskEntry {
  readonly name: string;
  readonly kind: DiskKind;
}

/** An open file. Close it in every case. */
export interface DiskFile {
  /** Reads into `buffer` at `position`; the number of bytes read, 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>;
  /** Writes all bytes at `position`, however many calls that takes. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  stat(): Promise<DiskStat>;
  /** fdatasync. Never repeat it after a failure: the next one may succeed with the data lost (fsyncgate). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Absolute paths everywhere. Errors are the system's own, with `code`; ioError of core/base/errors.ts words them. */
export interface Disk {
  /** A new file for writing, mode 0600; EEXIST when the name is taken, also by a symlink. */
  create(path: string): Promise<DiskFile>;
  /** An existing file for reading; never follows a final symlink, never waits for a FIFO's writer. */
  open(path: string): Promise<DiskFile>;
  /** lstat; null when nothing has that name. */
  stat(path: string): Promise<DiskStat | null>;
  /** Entries of a folder in the system's order, without `.` and `..`. */
  entries(path: string): Promise<DiskEntry[]>;
  /** Mode 0700; EEXIST when the name is taken. The name is durable after `syncFolder` of the parent. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A second name; EEXIST when it is taken. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  /** fsync of a folder: its entries are durable afterwards. */
  syncFolder(path: string): Promise<void>;
}

/** What a simulated disk holds beside what programs see of it: bytes as far as synced, names as far as durable. */

/** The bytes of a file as far as they are durable. */
export interface FileNode {
  readonly kind: "file";
  synced: Uint8Array;
  /** False when a failed fsync marked the pages clean: a later fsync writes nothing. */
  dirty: boolean;
}

export interface FolderNode {
  readonly kind: "folder";
  /** What the disk holds. */
  durable: Map<string, TreeNode>;
  /** What programs see. */
  view: Map<string, TreeNode>;
  /** Changes since the last fsync, oldest first; each is atomic. */
  pending: NameChange[];
}

export type TreeNode = FileNode | FolderNode;

export interface NameChange {
  readonly removes: readonly string[];
  readonly adds: readonly { readonly name: string; readonly node: TreeNode }[];
}

export function emptyFolder(): FolderNode {
  return { kind: "folder", durable: new Map(), view: new Map(), pending: [] };
}

export function apply(names: Map<string, TreeNode>, change: NameChange): void {
  for (const name of change.removes) names.delete(name);
  for (const { name, node } of change.adds) names.set(name, node);
}

/** A copy that shares nothing but bytes; two names of one file stay two names of one file. */
export function copyTree(folder: FolderNode): FolderNode {
  const copies = new Map<TreeNode, TreeNode>();
  const copy = (node: TreeNode): TreeNode => {
    const known = copies.get(node);
    if (known !== undefined) return known;
    if (node.kind === "file") {
      const file: FileNode = { ...node };
      copies.set(node, file);
      return file;
    }
    const made = emptyFolder();
    copies.set(node, made);
    fill(node, made);
    return made;
  };
  const fill = (from: FolderNode, to: FolderNode): void => {
    for (const [name, node] of from.durable) to.durable.set(name, copy(node));
    for (const [name, node] of from.view) to.view.set(name, copy(node));
    to.pending = from.pending.map(({ removes, adds }) => ({
      removes,
      adds: adds.map(({ name, node }) => ({ name, node: copy(node) })),
    }));
  };
  const root = emptyFolder();
  copies.set(folder, root);
  fill(folder, root);
  return root;
}

/** True when `parts` leads to a file whose name, folders and bytes would outlive any crash. */
export function isDurable(root: FolderNode, parts: readonly string[]): boolean {
  let node: TreeNode = root;
  for (const part of parts) {
    if (node.kind !== "folder") return false;
    const next: TreeNode | undefined = node.durable.get(part);
    // A pending change may take the name away or give it to another file.
    const touched = node.pending.some(
      (change) => change.removes.includes(part) || change.adds.some((add) => add.name === part),
    );
    if (next === undefined || touched) return false;
    node = next;
  }
  return node.kind === "file" && !node.dirty;
}

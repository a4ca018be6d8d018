/** Circles of a graph: its strongly connected components of more than one node. Tarjan, 1972. */

interface Visit {
  readonly index: number;
  low: number;
  isOpen: boolean;
}

/** One circle a component, its nodes sorted; a node that leads to itself alone is a circle too. */
export function circlesOf(targets: ReadonlyMap<string, readonly string[]>): string[][] {
  const visits = new Map<string, Visit>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): Visit => {
    const own: Visit = { index: visits.size, low: visits.size, isOpen: true };
    visits.set(node, own);
    open.push(node);
    for (const target of targets.get(node) ?? []) {
      const seen = visits.get(target);
      if (seen === undefined) own.low = Math.min(own.low, visit(target).low);
      else if (seen.isOpen) own.low = Math.min(own.low, seen.index);
    }
    if (own.low === own.index) {
      const component = open.splice(open.indexOf(node));
      for (const one of component) {
        const closed = visits.get(one);
        if (closed !== undefined) closed.isOpen = false;
      }
      const isSelf = targets.get(node)?.includes(node) === true;
      if (component.length > 1 || isSelf) circles.push(component.sort());
    }
    return own;
  };
  for (const node of targets.keys()) if (!visits.has(node)) visit(node);
  return circles;
}

/**
 * Whether a symbolic link stays inside the tree it lives in. Looking at its text is not enough: `a/up/../x` is inside by
 * its spelling and outside in truth when `a/up` is itself a link to `..`. So the target is walked as the kernel would,
 * over the entries the archive names, without touching the disk.
 */

/** Link targets by path; directories and files are simply not in it. Paths are relative, with `/`. */
export type LinkMap = ReadonlyMap<string, string>;

/** The kernel gives up after 40 links (Linux, MAXSYMLINKS); so do we, and such a loop leads nowhere. */
const HOPS_MAX = 40;

/** True if following the link at `path` can lead above the root, or to an absolute path. */
export function leavesRoot(path: string, target: string, links: LinkMap): boolean {
  const at = path.split("/").slice(0, -1);
  const todo = [target];
  let hops = 0;
  for (;;) {
    const next = todo.pop();
    if (next === undefined) return false;
    if (next.startsWith("/")) return true;
    const [segment, ...rest] = next.split("/");
    if (rest.length > 0) todo.push(rest.join("/"));
    if (segment === undefined || segment === "" || segment === ".") continue;
    if (segment === "..") {
      if (at.pop() === undefined) return true;
      continue;
    }
    at.push(segment);
    const through = links.get(at.join("/"));
    if (through === undefined) continue;
    at.pop();
    hops += 1;
    if (hops > HOPS_MAX) return false;
    todo.push(through);
  }
}

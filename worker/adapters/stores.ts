/** Several stores behind one port: each call goes to the store its place names. */
import type { Store } from "../../durable/ports.ts";

type Any = (place: { readonly store: string }, ...rest: unknown[]) => unknown;

/** `open` has at least one store; all of them have the same verbs. */
export function openStores<S extends Store>(open: Placed<ReadonlyMap<string, S>>): S {
  const at = (store: string, verb: string): Any => {
    const found = open.get(store);
    if (!found)
      throw new Error(`the store ${JSON.stringify(store)} holds what is asked for and is not configured any more`);
    return found[verb as keyof S] as Any;
  };
  const [first] = open.values();
  const verbs = Object.keys(first ?? {});
  const routed = verbs.map((verb): [string, Any] => [verb, (place, ...rest) => at(place.store, verb)(place, ...rest)]);
  // The verbs were read from a store, and every first argument names one (below).
  return Object.fromEntries(routed) as unknown as S;
}

/** No stores can be opened, so nothing compiles, where a verb's first argument names no store. */
type Placed<T> = [Unplaced] extends [never] ? T : Unplaced;
type Unplaced = {
  [Verb in keyof Store]: Parameters<Store[Verb]>[0] extends { readonly store: string } ? never : Verb;
}[keyof Store];

// Agents' names, asked for once.

import { useEffect, useState } from "react";
import { service } from "../../lib/daemon.ts";
import { short } from "../../lib/format.ts";

const known = new Map<string, Promise<string>>();

function nameOf(id: string): Promise<string> {
  let found = known.get(id);
  if (!found) {
    found = service("agents")
      .get(id)
      .then(({ name }: { name?: string }) => name ?? short(id))
      .catch(() => {
        // Another time it may be there.
        known.delete(id);
        return short(id);
      });
    known.set(id, found);
  }
  return found;
}

/** An agent's name; the start of its id until it is known. */
export function useAgentName(id: string | undefined): string | undefined {
  const [name, setName] = useState<string>();
  useEffect(() => {
    setName(undefined);
    if (id === undefined) return;
    let isWanted = true;
    void nameOf(id).then((name) => isWanted && setName(name));
    return () => {
      isWanted = false;
    };
  }, [id]);
  return id && (name ?? short(id));
}

// Where the page is, with what stands behind a `?` there: `#/activity?seq=…`.

import { useMemo } from "react";
import { useHashLocation } from "wouter/use-hash-location";

type Navigate = ReturnType<typeof useHashLocation>[1];

/** The path alone, so that routes fit whatever is asked behind them. */
export function usePath(): [string, Navigate] {
  const [place, navigate] = useHashLocation();
  return [place.split("?", 1)[0] ?? "/", navigate];
}
usePath.hrefs = (href: string) => `#${href}`;

/** What stands behind the `?`. */
export function useAsked(): URLSearchParams {
  const [place] = useHashLocation();
  return useMemo(() => new URLSearchParams(place.split("?")[1] ?? ""), [place]);
}

/** Sets or, where nothing is given, takes away what stands behind the `?`. */
export function ask(changes: Record<string, string | undefined>, { replace = false } = {}): void {
  const [path = "", query = ""] = window.location.hash.split("?");
  const asked = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) asked.set(name, value);
    else asked.delete(name);
  }
  const hash = asked.size > 0 ? `${path}?${asked}` : path;
  if (hash === window.location.hash) return;
  const old = window.location.href;
  window.history[replace ? "replaceState" : "pushState"](null, "", hash);
  window.dispatchEvent(new HashChangeEvent("hashchange", { oldURL: old, newURL: window.location.href }));
}

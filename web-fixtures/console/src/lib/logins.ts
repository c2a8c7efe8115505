// Who is logged in at this page. Tokens are kept for the tab only.

import { create } from "zustand";

/** A user, as the daemon shows it. */
export interface User {
  user_id: string;
  email: string;
  name?: string;
  emoji?: string;
  role: "owner" | "admin" | "member" | "viewer";
}

interface Login {
  /** `open`: the daemon asks nobody who they are. */
  state: "asking" | "open" | "needed" | "in";
  user?: User;
  /** Why a login that there was is over. */
  why?: string;
}

export const useLogin = create<Login>(() => ({ state: "asking" }));

const KEY = "roost-login";

interface Kept {
  accessToken: string;
  refreshToken?: string;
}

const kept = (): Kept | undefined => {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
};

export const logins = {
  token: () => kept()?.accessToken,
  refreshToken: () => kept()?.refreshToken,
  keep: ({ accessToken, refreshToken }: Kept) => sessionStorage.setItem(KEY, JSON.stringify({ accessToken, refreshToken })),
  forget: () => sessionStorage.removeItem(KEY),
};

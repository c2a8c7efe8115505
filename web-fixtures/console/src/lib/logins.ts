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
  /** Who is in; where a login is needed again, who was. */
  user?: User;
  /** Why a login that there was is over. */
  why?: string;
}

export const useLogin = create<Login>(() => ({ state: "asking" }));

const KEY = "roost-login";

interface Kept {
  accessToken?: string;
  refreshToken?: string;
  /** Until when the token is good, and how long it was in all, by this machine's clock, in milliseconds. */
  until?: number;
  lifetime?: number;
}

const kept = (): Kept => {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {};
  }
};

const write = (what: Kept) => sessionStorage.setItem(KEY, JSON.stringify(what));

export const logins = {
  token: () => kept().accessToken,
  refreshToken: () => kept().refreshToken,
  /** Keeps what a login was answered with; who only shows a token again keeps what else there was. */
  keep({ accessToken, refreshToken }: { accessToken: string; refreshToken?: string }) {
    const before = kept();
    const lifetime = lifetimeOf(accessToken);
    const until = lifetime && { lifetime, until: Date.now() + lifetime };
    if (accessToken === before.accessToken) write({ ...before, ...(refreshToken && { refreshToken }) });
    else write({ accessToken, ...(refreshToken && { refreshToken }), ...until });
  },
  /** Forgets the token, which is not good any more, but not what a new one can be had for. */
  forgetToken() {
    const { refreshToken } = kept();
    write(refreshToken ? { refreshToken } : {});
  },
  forget: () => sessionStorage.removeItem(KEY),
  /** In how many milliseconds the token should be changed for a new one: a while before it ends. */
  renewIn(): number | undefined {
    const { until, lifetime } = kept();
    if (until === undefined || lifetime === undefined) return undefined;
    return Math.max(until - Math.min(60_000, lifetime / 4) - Date.now(), 0);
  },
};

/** How long a token is good from its making, in milliseconds: whatever this machine's clock says. */
function lifetimeOf(token: string): number | undefined {
  try {
    const claims = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { iat, exp } = JSON.parse(atob(claims));
    return typeof iat === "number" && typeof exp === "number" ? (exp - iat) * 1_000 : undefined;
  } catch {
    // An API key is no token and has no end of its own.
    return undefined;
  }
}

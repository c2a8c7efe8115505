// Logging in and out.

import { reconnect, service, socket } from "./daemon.ts";
import { logins, useLogin, type User } from "./logins.ts";

interface Refusal {
  name?: string;
  code?: number;
  message?: string;
}

/** Finds out whether the daemon asks who one is, and who is in. */
export async function askWhoIsIn(): Promise<void> {
  const accessToken = logins.token();
  try {
    if (accessToken) {
      await enter({ strategy: "jwt", accessToken });
      return;
    }
    await service("boards").find({ query: { $limit: 0 } });
    useLogin.setState({ state: "open" });
  } catch (error) {
    const { code, message } = error as Refusal;
    if (code !== 401 && code !== 404) {
      // The daemon cannot say now: it is asked again when it is back.
      socket.once("connect", () => void askWhoIsIn());
      return;
    }
    logins.forget();
    useLogin.setState({ state: "needed", ...(accessToken && message && { why: message }) });
    if (accessToken) await askWhoIsIn();
  }
}

/** Logs in; what the daemon refuses with is thrown. */
export async function logIn(email: string, password: string): Promise<void> {
  await enter({ strategy: "local", email, password });
  // From now on the connection is this user's from its start.
  reconnect();
}

async function enter(data: Record<string, string>) {
  const answer: { accessToken: string; refreshToken?: string; user: User } = await service("authentication").create(data);
  logins.keep(answer);
  useLogin.setState({ state: "in", user: answer.user });
}

export async function logOut(): Promise<void> {
  const accessToken = logins.token();
  logins.forget();
  if (accessToken) await service("authentication").remove(accessToken).catch(() => {});
  // Nothing of what was seen stays in the page.
  window.location.reload();
}

// Logging in and out, and keeping a login good.

import { onStranger, reconnect, service, socket } from "./daemon.ts";
import { drafts } from "./drafts.ts";
import { logins, useLogin, type User } from "./logins.ts";

interface Refusal {
  name?: string;
  code?: number;
  message?: string;
}

interface Answer {
  accessToken: string;
  refreshToken?: string;
  user: User;
}

/** The longest that a timer can wait for, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** How often it is looked whether a login is still good that nobody uses, in milliseconds. */
const LOOK = 30_000;

const ENDED = "Your login ended. Log in again, and you are where you were.";

/** Whether the daemon says that it does not know who asks, rather than that it cannot say. */
const isStranger = (error: unknown) => [400, 401, 404].includes((error as Refusal).code ?? 0);

/** Finds out whether the daemon asks who one is, and who is in. */
export async function askWhoIsIn(): Promise<void> {
  const had = logins.token() ?? logins.refreshToken();
  try {
    const accessToken = logins.token();
    if (accessToken) return await enter({ strategy: "jwt", accessToken });
    if (await renew()) return;
    await service("boards").find({ query: { $limit: 0 } });
    useLogin.setState({ state: "open" });
  } catch (error) {
    if (!isStranger(error)) {
      // The daemon cannot say now: it is asked again when it is back.
      socket.once("connect", () => void askWhoIsIn());
      return;
    }
    if (!had) return useLogin.setState({ state: "needed" });
    if (logins.token()) logins.forgetToken();
    else logins.forget();
    await askWhoIsIn();
    if (useLogin.getState().state === "needed") useLogin.setState({ why: ENDED });
  }
}

/** Logs in; what the daemon refuses with is thrown. */
export async function logIn(email: string, password: string): Promise<void> {
  const { user: before } = useLogin.getState();
  await enter({ strategy: "local", email, password });
  if (before && before.user_id !== useLogin.getState().user?.user_id) {
    // Nothing of what somebody else saw or wrote stays in the page.
    drafts.forget();
    window.location.reload();
    return;
  }
  // From now on the connection is this user's from its start.
  reconnect();
}

async function enter(data: Record<string, string>) {
  const answer: Answer = await service("authentication").create(data);
  logins.keep(answer);
  useLogin.setState({ state: "in", user: answer.user }, true);
  plan();
}

/** Changes the token for a new one; false where there is nothing to change it for. */
async function renew(): Promise<boolean> {
  const refreshToken = logins.refreshToken();
  if (!refreshToken) return false;
  const answer: Answer = await service("authentication/refresh").create({ refreshToken });
  logins.keep(answer);
  await enter({ strategy: "jwt", accessToken: answer.accessToken });
  return true;
}

let timer: number | undefined;

/** Has the token changed before it ends. */
function plan() {
  window.clearTimeout(timer);
  const wait = logins.renewIn();
  if (wait === undefined) return;
  timer = window.setTimeout(() => void (wait > LONGEST ? plan() : recover()), Math.min(wait, LONGEST));
}

let recovering = false;

/** The login is not good any more, or soon: gets another, or says that it is over. */
async function recover(): Promise<void> {
  if (recovering || useLogin.getState().state !== "in") return;
  recovering = true;
  try {
    if (await renew()) return;
    end();
  } catch (error) {
    if (isStranger(error)) end();
    else socket.once("connect", () => void recover());
  } finally {
    recovering = false;
  }
}

function end() {
  window.clearTimeout(timer);
  logins.forget();
  useLogin.setState({ state: "needed", why: ENDED });
}

onStranger(() => void recover());

// A token that is not good is refused at the door: without it one gets in, and can show who one is.
socket.on("connect_error", ({ message }) => {
  // What is wrong with the stamp is no matter of the token's.
  if (socket.active || !logins.token() || message.startsWith("`since`")) return;
  logins.forgetToken();
  socket.once("connect", () => void recover());
  socket.connect();
});

// Whose login is ended elsewhere hears nothing of it, or of anything.
window.setInterval(() => {
  if (socket.connected && useLogin.getState().state === "in") void service("boards").find({ query: { $limit: 0 } }).catch(() => {});
}, LOOK);

export async function logOut(): Promise<void> {
  const accessToken = logins.token();
  logins.forget();
  drafts.forget();
  if (accessToken) await service("authentication").remove(accessToken).catch(() => {});
  // Nothing of what was seen stays in the page.
  window.location.reload();
}

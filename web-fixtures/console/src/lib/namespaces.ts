// Namespaces beside the page's own, on the same connection: a swarm, a task's stream.

import { socket as own } from "./daemon.ts";
import { logins } from "./logins.ts";

interface Wanted {
  /** What it says at each connection, beside the login: where it was. */
  auth: () => Record<string, unknown>;
  /** Everything that it is told, `joined` first. */
  hears: (event: string, payload: any) => void;
  /** It is not let in, and why, as the daemon says it. It is tried again when the connection comes back. */
  refused: (reason: string) => void;
}

/** Who wants what now; sockets are kept by their client, and outlive who wanted them first. */
const wanted = new Map<string, Wanted>();

/** Milliseconds before somebody who was put out knocks again, at first and at most. */
const [FIRST, MOST] = [200, 5_000];

/** Joins a namespace; it comes back by itself until it is left. */
export function join(namespace: string, want: Wanted) {
  wanted.set(namespace, want);
  const auth = (give: (auth: object) => void) => {
    const token = logins.token();
    give({ ...(token && { token }), ...wanted.get(namespace)?.auth() });
  };
  const socket = own.io.socket(namespace, { auth });
  let pause = FIRST;
  let timer: number | undefined;

  const again = () => {
    if (!socket.active) socket.connect();
  };
  const hears = (event: string, payload: unknown) => {
    if (event === "joined") pause = FIRST;
    want.hears(event, payload);
  };
  const refused = (error: Error) => {
    // What is active tries by itself.
    if (!socket.active) want.refused(error.message);
  };
  const lost = (reason: string) => {
    // Put out: the swarm may be gone, or the login, or the daemon says goodbye. Knocking tells.
    if (reason !== "io server disconnect" || !own.connected) return;
    timer = window.setTimeout(again, pause);
    pause = Math.min(2 * pause, MOST);
  };
  socket.onAny(hears).on("connect_error", refused).on("disconnect", lost);
  own.on("connect", again);
  again();

  return {
    again,
    /** Asks something; what is answered, or an error with the daemon's reason. */
    async ask(event: string, payload: unknown): Promise<any> {
      const { status, response } = await socket.timeout(30_000).emitWithAck(event, payload);
      if (status !== "ok") throw new Error(response?.reason ?? status);
      return response;
    },
    leave() {
      window.clearTimeout(timer);
      own.off("connect", again);
      socket.offAny(hears).off("connect_error", refused).off("disconnect", lost);
      if (wanted.get(namespace) !== want) return;
      wanted.delete(namespace);
      socket.disconnect();
    },
  };
}

// Keeps a Socket.IO client complete: it remembers the stamp of the last event that it was given, and
// says it at each connection, so that Roost sends what was missed. For sockets of socket.io-client 4
// and for Feathers clients on them; docs/protocols/feathers.md says how to use it.

/** Socket.IO's number for the packet that begins a connection. */
const CONNECT = 0;

/** The sockets that are looked after. */
const sockets = new WeakSet();

/**
 * Lets a client resume from now on.
 *
 * @param {import("./resume.js").Client} client
 * @param {import("./resume.js").Options} [options]
 * @returns {import("./resume.js").Resuming}
 */
export function resume(client, { since = "now", store, onReset } = {}) {
  const socket = typeof client?.onAny === "function" ? client : client?.io;
  if (typeof socket?.onAny !== "function" || typeof socket.packet !== "function") {
    throw new TypeError("resume() takes a socket of socket.io-client, or a Feathers client on one");
  }
  if (sockets.has(socket)) throw new Error("This socket resumes already");
  sockets.add(socket);

  const first = store?.get() ?? since;
  /** Up to where everything is dealt with. @type {string | undefined} */
  let kept = first === "now" ? undefined : first;
  /** Up to where everything came. */
  let seen = kept;
  /** How often records were to be read anew, and whether that is still under way, or failed. */
  let resets = 0;
  let reading = false;
  /** Whether `kept` is looked after, once the handlers ran. */
  let noted = false;
  /** Whether there was a connection before, and whether this one was told where to start. */
  let known = false;
  let told = false;
  /** Why something may have been missed that the daemon knows nothing of. */
  let gap;

  const start = () => (reading ? kept : seen) ?? "now";

  const keep = () => {
    if (reading || kept === seen) return;
    kept = seen;
    store?.set(kept);
  };

  /** Everything came up to here; it is kept when the handlers ran, for whatever came together once. */
  const note = (stamp) => {
    seen = stamp;
    if (noted) return;
    noted = true;
    queueMicrotask(() => {
      noted = false;
      keep();
    });
  };

  /** Has records read anew. As long as that is not done, the old place is where to start. */
  const readAnew = async (reset) => {
    const turn = ++resets;
    reading = true;
    await onReset?.(reset);
    if (turn !== resets) return;
    reading = false;
    keep();
  };

  const heard = (event, record, stamp) => {
    if (typeof stamp?.seq === "string") {
      note(stamp.seq);
    } else if (event === "reset" && typeof record?.latest === "string") {
      void readAnew(record);
      note(record.latest);
    }
  };

  const connected = () => {
    const reason = gap;
    gap = undefined;
    known = true;
    if (!told) {
      // It was connecting already and hears events without stamps.
      socket.disconnect().connect();
      return;
    }
    if (reason) void readAnew({ reason });
    if (seen !== undefined) return;
    // Without this, a client that lost its connection before the first event would not know its place.
    const { id } = socket;
    socket.emit("find", "health", {}, (...answer) => {
      const stamp = answer.at(-1)?.seq;
      if (typeof stamp === "string" && seen === undefined && socket.id === id) note(stamp);
    });
  };

  const refused = (error) => {
    if (!error.message.startsWith("`since` is neither")) return;
    kept = seen = undefined;
    gap = "unreadable";
    socket.connect();
  };

  const disconnected = () => {
    told = false;
  };

  /**
   * engine.io-client 6 polls no more if its WebSocket fails when it is about to move there: it would hear
   * nothing until it misses a ping.
   */
  const opened = () => {
    const { engine } = socket.io;
    engine.on("upgradeError", () => {
      if (!engine.upgrading) return;
      engine.upgrading = false;
      engine.close();
    });
  };

  // Whatever `auth` is then, an object or a function, and whoever set it when.
  const { packet } = socket;
  socket.packet = (one) => {
    if (one.type !== CONNECT) return packet.call(socket, one);
    told = true;
    if (known && start() === "now") gap ??= "no_stamp";
    // What came while the last connection ended was not handed over: it is sent again.
    socket.receiveBuffer = [];
    return packet.call(socket, { ...one, data: { ...one.data, since: start() } });
  };
  socket.onAny(heard);
  socket.on("connect", connected).on("connect_error", refused).on("disconnect", disconnected);
  socket.io.on("open", opened);
  if (socket.io.engine) opened();
  if (socket.connected) connected();

  return {
    get stamp() {
      return kept;
    },
    stop() {
      socket.packet = packet;
      socket.offAny(heard);
      socket.off("connect", connected).off("connect_error", refused).off("disconnect", disconnected);
      socket.io.off("open", opened);
      sockets.delete(socket);
    },
  };
}

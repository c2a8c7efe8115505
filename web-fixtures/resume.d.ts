/** A socket of socket.io-client 4, or a Feathers client that was given one (`feathers.socketio(socket)`). */
export type Client = Socket | { io: Socket };

/** As much of socket.io-client's `Socket` as is used. */
export interface Socket {
  connected: boolean;
  onAny(listener: (event: string, ...args: any[]) => void): unknown;
  offAny(listener: (event: string, ...args: any[]) => void): unknown;
}

/** Something may have been missed for good: read the records anew. */
export interface Reset {
  /**
   * - `too_old`: the log does not reach back to the stamp
   * - `other_log`: the stamp is of another log, or of one that was restored to an earlier time
   * - `unreadable`: it was no stamp (an invalid `since`, or what `store` gave)
   * - `no_stamp`: the connection ended before there was a stamp
   */
  reason: "too_old" | "other_log" | "unreadable" | "no_stamp";
  /** The first stamp of the log, where the daemon says so. */
  oldest?: string;
  /** The stamp after which events follow, where the daemon says so. */
  latest?: string;
}

/** Where a stamp is kept, such as `sessionStorage`, so that a page that is loaded again resumes. */
export interface Store {
  get(): string | null | undefined;
  /** Called after the handlers of the events up to this stamp ran. */
  set(stamp: string): void;
}

export interface Options {
  /** Where to start: "now", "0" (the log's start) or a stamp. What `store` has comes first. */
  since?: string;
  store?: Store;
  /**
   * Reads the records anew; events go on meanwhile. If it returns a promise, the old stamp counts until
   * it is fulfilled: a connection that is lost before, or a failure, has it called again at the next one.
   */
  onReset?(reset: Reset): void | PromiseLike<void>;
}

export interface Resuming {
  /** The stamp up to which every handler ran; none before the first event. */
  readonly stamp: string | undefined;
  /** Ends it: the socket goes on without resuming. */
  stop(): void;
}

/**
 * Lets a client resume, from its next connection on; call it right after the socket was made. A socket
 * that is connected already connects anew.
 *
 * As long as the page lives, its handlers are given each event once. Where a `store` keeps the stamp,
 * the last events may come again after the page ended while handlers ran. A handler that throws had
 * its event.
 */
export function resume(client: Client, options?: Options): Resuming;

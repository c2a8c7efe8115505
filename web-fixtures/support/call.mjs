// Feathers calls over a plain socket.io-client socket, as the Feathers client makes them.

import { DEADLINE } from "./wait.mjs";

/**
 * Emits and waits for the answer.
 *
 * @param {import("socket.io-client").Socket} socket
 * @param {...unknown} packet the method, the service's path, the rest
 * @returns {Promise<any>} the result; rejects with the error as it was on the wire
 */
export function call(socket, ...packet) {
  return new Promise((resolve, reject) => {
    socket.timeout(DEADLINE).emit(...packet, (late, error, result) => {
      if (late ?? error) reject(late ?? error);
      else resolve(result);
    });
  });
}

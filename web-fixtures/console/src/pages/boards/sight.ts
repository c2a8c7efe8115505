// What of the board's canvas is in sight, for parts of the page beside it.

import { CARD, type Place } from "./places.ts";

let look: (() => Place) | undefined;

/** Where a card would be in the middle of what is seen; nothing where no canvas is shown. */
export const middle = (): Place | undefined => look?.();

/** Says what is in the middle, until what it returns is called. */
export function sees(centre: () => Place): () => void {
  const own = () => {
    const { x, y } = centre();
    return { x: x - CARD.width / 2, y: y - CARD.height / 2 };
  };
  look = own;
  return () => {
    if (look === own) look = undefined;
  };
}

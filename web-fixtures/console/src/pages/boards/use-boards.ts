// The boards that one may see, the oldest first.

import { useEffect } from "react";
import { service } from "../../lib/daemon.ts";
import { useLogin } from "../../lib/logins.ts";
import { useRecords } from "../../lib/records.ts";
import type { Board } from "../../lib/types.ts";

/** Somebody on a board. */
export interface Member {
  member_id: string;
  board_id: string;
  user_id: string;
  role: "member" | "owner";
  created_at: string;
}

export function useBoards() {
  const boards = useRecords<Board>("boards", () => ({ service: "boards", id: "board_id", sort: { created_at: 1 } }));
  const me = useLogin(({ user }) => user?.user_id);
  const { reload } = boards;
  useEffect(() => {
    // Who is let in sees a board that was made before.
    const admitted = ({ user_id }: Member) => user_id === me && void reload().catch(() => {});
    service("board-members").on("created", admitted);
    return () => void service("board-members").removeListener("created", admitted);
  }, [me, reload]);
  return boards;
}

/** A board's sign: its icon, or its first letter. */
export function signOf({ icon, name }: Board): string {
  if (icon === "star") return "★";
  return icon && [...icon].length <= 4 ? icon : ([...name][0] ?? "▦").toUpperCase();
}

/** A colour that a board may have; others' are not shown. */
export const colourOf = ({ color }: Board): string => (color && CSS.supports("color", color) ? color : "var(--mantine-color-teal-9)");

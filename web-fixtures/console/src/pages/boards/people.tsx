// People as they are shown: their names, their colours, their faces.

import { Avatar, Tooltip } from "@mantine/core";
import { useCallback } from "react";
import { ground } from "../../lib/format.ts";
import { useLogin, type User } from "../../lib/logins.ts";
import { useRecords } from "../../lib/records.ts";
import css from "./boards.module.css";

/** All users; none where nobody has to log in. */
export const useUsers = () => useRecords<User>("users", () => ({ service: "users", id: "user_id" }));

/** How somebody is called. */
export function useNames(): (userId: string) => string {
  const { byId } = useUsers();
  return useCallback((userId) => nameOf(userId, byId.get(userId)), [byId]);
}

function nameOf(userId: string, user: User | undefined): string {
  if (user) return user.name ?? user.email.replace(/@.*/, "");
  // Who has not logged in has a name for each connection.
  const guest = /^anonymous-(.{4})/.exec(userId)?.[1];
  return guest ? `Guest ${guest}` : userId.slice(0, 8);
}

function initials(name: string): string {
  const words = name.replace(/^Guest /, "").split(/[\s._-]+/);
  const letters = words.length > 1 ? words.map((word) => [...word][0] ?? "") : [...(words[0] ?? "")];
  return letters.slice(0, 2).join("").toUpperCase();
}

/** Somebody's face: what they chose, or their initials. */
export function Face({ userId, says, size = 28 }: { userId: string; says?: string; size?: number }) {
  const { byId } = useUsers();
  const user = byId.get(userId);
  const name = nameOf(userId, user);
  const label = says ? `${name}: ${says}` : name;
  return (
    <Tooltip label={label}>
      <Avatar size={size} radius="xl" role="img" aria-label={label} className={css.face ?? ""} style={{ "--face": ground(userId) }}>
        <span aria-hidden>{user?.emoji ?? initials(name)}</span>
      </Avatar>
    </Tooltip>
  );
}

/** Whether whoever is in may change anything. */
export function useMayWork(): boolean {
  return useLogin(({ user }) => user?.role !== "viewer");
}

// What somebody began to write and did not send: kept for the tab, gone with the login.

const START = "roost-draft-";

export const drafts = {
  read: (of: string): string => sessionStorage.getItem(START + of) ?? "",
  write(of: string, text: string) {
    if (!text) return sessionStorage.removeItem(START + of);
    try {
      sessionStorage.setItem(START + of, text);
    } catch {
      // There is no room for it: what was there before is better than none.
    }
  },
  forget() {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(START)) sessionStorage.removeItem(key);
  },
};

// Something that is shown when somebody asks for it, and stays as they left it while the page is open.

import { useState, type ReactNode } from "react";
import styles from "./fold.module.css";

/** What was opened or closed by hand: lists forget what is out of sight. */
const touched = new Map<string, boolean>();

export function Fold({ id, summary, children, open = false }: { id: string; summary: ReactNode; children: ReactNode; open?: boolean }) {
  const [byHand, setByHand] = useState(touched.get(id));
  const isOpen = byHand ?? open;
  return (
    <details
      className={styles.fold}
      open={isOpen}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open === isOpen) return;
        touched.set(id, currentTarget.open);
        setByHand(currentTarget.open);
      }}
    >
      <summary>{summary}</summary>
      {isOpen && <div className={styles.inside}>{children}</div>}
    </details>
  );
}

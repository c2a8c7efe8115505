// Text that others wrote, as Markdown. HTML in it stays text, links lead away without saying from where, and
// images are links: nothing is loaded from elsewhere.

import { Anchor, Button } from "@mantine/core";
import { Component, memo, useState, type ReactNode } from "react";
import ReactMarkdown, { type Components, type Options } from "react-markdown";
import rehypeHighlight from "rehype-highlight";
import remarkGfm from "remark-gfm";
import styles from "./markdown.module.css";

/** What is longer is shown as it was written: it could take long to make sense of. */
const MOST = 20_000;

/** More signs than these mean nothing to people, and cost the reader of Markdown the square of their number. */
const SIGNS = 1_500;

/** Lists and quotes in each other, deeper than anybody reads. */
const DEEP = /^[ \t]*(?:>[ \t]*|[-*+][ \t]+|\d{1,9}[.)][ \t]+){30}/m;

/** Whether a text can be read as Markdown without the page standing still. */
function isReadable(text: string): boolean {
  if (text.length > MOST || DEEP.test(text)) return false;
  let signs = 0;
  for (const sign of text) if ("*_~[]<`!".includes(sign)) signs += 1;
  return signs <= SIGNS;
}

/** What is shown of a text that is longer than anybody reads, until somebody asks for all of it. */
const START = 4_000;

const AWAY = { target: "_blank", rel: "noopener noreferrer nofollow ugc", inherit: true, underline: "always" } as const;

const COMPONENTS: Components = {
  a: ({ href, children }) => (href ? <Anchor href={href} {...AWAY}>{children}</Anchor> : <>{children}</>),
  img: ({ src, alt }) =>
    typeof src === "string" && src ? (
      <Anchor href={src} {...AWAY}>
        {alt || "image"}
      </Anchor>
    ) : (
      <>{alt}</>
    ),
  table: ({ children }) => (
    <div className={styles.table} tabIndex={0} role="group" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
  pre: ({ children }) => (
    <pre tabIndex={0} aria-label="Code" role="group">
      {children}
    </pre>
  ),
  input: ({ checked }) => <span aria-label={checked ? "done" : "to do"} role="img">{checked ? "☑" : "☐"}</span>,
  // Headings of a message are not the page's.
  ...Object.fromEntries(
    (["h1", "h2", "h3", "h4", "h5", "h6"] as const).map((level) => [
      level,
      ({ children }: { children?: ReactNode }) => <p className={styles.heading}>{children}</p>,
    ]),
  ),
};

const PLUGINS: Pick<Options, "remarkPlugins" | "rehypePlugins"> = {
  remarkPlugins: [remarkGfm],
  rehypePlugins: [[rehypeHighlight, { detect: false }]],
};

export const Markdown = memo(function Markdown({ text }: { text: string }) {
  if (!isReadable(text)) return <Plain text={text} />;
  return (
    <Unreadable plain={<Plain text={text} />}>
      <div className={styles.markdown}>
        <ReactMarkdown components={COMPONENTS} {...PLUGINS}>
          {text}
        </ReactMarkdown>
      </div>
    </Unreadable>
  );
});

/** Text as it was written; the start of it, where it is long. */
export function Plain({ text, mono = false }: { text: string; mono?: boolean }) {
  const [all, setAll] = useState(false);
  const isCut = text.length > MOST && !all;
  return (
    <>
      <div className={mono ? styles.mono : styles.plain}>{isCut ? text.slice(0, START) : text}</div>
      {isCut && (
        <Button size="compact-xs" variant="default" mt={4} onClick={() => setAll(true)}>
          Show all {text.length.toLocaleString()} characters
        </Button>
      )}
    </>
  );
}

/** Shows a text plainly where no sense can be made of it. */
class Unreadable extends Component<{ plain: ReactNode; children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    return this.state.broken ? this.props.plain : this.props.children;
  }
}

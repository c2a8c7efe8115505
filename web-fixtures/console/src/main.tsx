import { MantineProvider, createTheme, type CSSVariablesResolver } from "@mantine/core";
import "@mantine/core/styles.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import "./styles.css";

/** Teal on both schemes, and shades that can be read on them. */
const theme = createTheme({
  primaryColor: "teal",
  primaryShade: 9,
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
});

/** Colours of texts that the library has too pale to be read by everybody. */
const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
    "--mantine-color-teal-light-color": "color-mix(in srgb, var(--mantine-color-teal-9), black 25%)",
  },
  dark: { "--mantine-color-dimmed": "var(--mantine-color-dark-1)" },
});

const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";
// What keeps the page behind a dialog from scrolling has a style of its own, and asks here.
Object.assign(window, { __webpack_nonce__: nonce });
const root = document.getElementById("root");
if (!root) throw new Error("the page has no root");
createRoot(root).render(
  <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
    <App />
  </MantineProvider>,
);

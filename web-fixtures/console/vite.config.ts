import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where the daemon is while the page is worked on. */
const daemon = "http://localhost:3030";

// Everything that the page calls on the daemon.
const paths = ["/socket.io", "/events", "/api", "/auth", "/hive", "/mcp", "/metrics"];

export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "dist",
    // Strict content security: nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Those that know `light-dark()`: what it would be replaced by does not heed the page's scheme.
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
  },
  server: {
    proxy: Object.fromEntries(paths.map((path) => [path, { target: daemon, ws: path === "/socket.io" }])),
  },
});

// How the console is bundled: one page, no inlined assets, served by the control plane.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  build: { target: "es2023", sourcemap: false, assetsInlineLimit: 0 },
});

// Generates SQL migrations from the schema: `npx drizzle-kit generate --name <what>`. Only expanding
// changes are released; a column goes away one version after the last code that reads it.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./src/store/schema/*.ts",
  out: "./migrations",
  casing: "snake_case",
});

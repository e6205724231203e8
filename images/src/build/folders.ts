// Where this repository keeps what the builder needs besides a recipe.
import { join } from "node:path";

const home = join(import.meta.dirname, "../..");

/** One folder per recipe; also holds the initrd's first program, which is no recipe. */
export const recipesFolder = join(home, "recipes");
/** The first program of every slot. */
export const initrdFolder = join(recipesFolder, "initrd");
/** Recipe and programs of the network installer. */
export const installerFolder = join(home, "installer");

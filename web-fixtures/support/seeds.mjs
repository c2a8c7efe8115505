// The pages that the protocols come from: their programs run as they stand where ROOST_SEEDS says in which folder
// the pages are.

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = process.env.ROOST_SEEDS ?? fileURLToPath(new URL("../../../shared/seeds", import.meta.url));

/** Why the pages cannot be read; false if they can. */
export const noPages = !existsSync(folder) && `there are no pages in ${folder}`;

/** A page, by its number. @param {string} number such as `003` */
export async function page(number) {
  const name = (await readdir(folder)).find((name) => name.startsWith(`${number}_`));
  return readFile(join(folder, name), "utf8");
}

/** A page's blocks of these languages, in order. @param {string} number @param {...string} languages */
export async function blocks(number, ...languages) {
  const fence = new RegExp("```(?:" + languages.join("|") + ")\\n(.*?)```", "gs");
  return [...(await page(number)).matchAll(fence)].map(([, block]) => block);
}

// A Python with some packages, in an environment of its own below target/, made where it is missing.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * The interpreter, or why there is none.
 *
 * @param {...string} requirements such as `realtime==2.34.1`
 * @returns {Promise<{path: string, missing?: undefined} | {missing: string}>}
 */
export async function python(...requirements) {
  const name = requirements.map((requirement) => requirement.replace("==", "-")).join("-");
  const folder = fileURLToPath(new URL(`../../target/python-${name}`, import.meta.url));
  const path = `${folder}/bin/python`;
  const made = `${folder}/made`;
  if (existsSync(made)) return { path };
  try {
    await run("python3", ["-m", "venv", folder]);
    await run(path, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...requirements], { timeout: 120_000 });
    await run(path, ["-c", `open(${JSON.stringify(made)}, "w").close()`]);
    return { path };
  } catch (error) {
    return { missing: error.message.split("\n")[0] };
  }
}

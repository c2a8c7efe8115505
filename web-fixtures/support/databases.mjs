// The databases that the suites run on: SQLite always, PostgreSQL if TEST_POSTGRES_URL names one.

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import pg from "pg";

/**
 * @typedef {object} Fresh a database that nobody used before
 * @property {string} url what DATABASE_URL is set to
 * @property {string} folder where the daemon may keep files
 * @property {() => Promise<void>} drop
 *
 * @typedef {object} Database
 * @property {string} name
 * @property {() => Promise<Fresh>} create
 */

const server = process.env.TEST_POSTGRES_URL;

/** @type {Database} */
export const sqlite = {
  name: "SQLite",
  async create() {
    const folder = await mkdtemp(join(tmpdir(), "roost-"));
    return {
      url: `sqlite://${join(folder, "roost.db")}?mode=rwc`,
      folder,
      drop: () => rm(folder, { recursive: true }),
    };
  },
};

/** @type {Database} */
const postgres = {
  name: "PostgreSQL",
  async create() {
    const name = `roost_${randomUUID().replaceAll("-", "")}`;
    await administer(`CREATE DATABASE ${name}`);
    const url = new URL(server);
    url.pathname = name;
    const folder = await mkdtemp(join(tmpdir(), "roost-"));
    return {
      url: url.href,
      folder,
      async drop() {
        await administer(`DROP DATABASE ${name} WITH (FORCE)`);
        await rm(folder, { recursive: true });
      },
    };
  },
};

/** @returns {Database[]} */
export const databases = () => (server ? [sqlite, postgres] : [sqlite]);

/**
 * Describes a suite once per database; a database that is not at hand is a test that was skipped.
 *
 * @param {string} title
 * @param {(database: Database) => void} suite
 */
export function onEveryDatabase(title, suite) {
  for (const database of databases()) {
    describe(`${title}, on ${database.name}`, () => suite(database));
  }
  if (!server) {
    test("PostgreSQL: TEST_POSTGRES_URL is not set", { skip: true });
  }
}

/** @param {string} statement */
async function administer(statement) {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

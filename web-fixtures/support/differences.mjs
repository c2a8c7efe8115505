// Where Roost answers otherwise than genuine Feathers did, on purpose: by transcript and title of the
// exchange, what it answers, and why. What is not said is as it was recorded.
// docs/protocols/feathers.md, "Differences from genuine Feathers", says the same in words.

/**
 * @typedef {object} Difference
 * @property {any} here what Roost answers: parts of the message, all frames of a socket, or the text;
 *   by database, where that counts
 * @property {string} why
 */

const ANSWERED = "every call is answered";
const KINDS = "every error is one of Feathers'";
const NO_OBJECT = "what is no object is an empty query";
const NO_SQL = "no SQL leaves the daemon, and what the client did wrong is 400";
const PARAMS = "params are no JavaScript object whose keys could be told";
const LISTS = "a list stays a list, however long";
const COERCED = "values are read as the column's kind";
const SEQUENCE = "PostgreSQL counts on by itself, whatever ids clients choose";
const UNSAID = "nothing and null are the same";
const ISSUER = "tokens say who made them";
const HASH = "a password's hash stays where it is, and tokens say who made them";
const REFRESH = "tokens say who made them, and come with one to refresh them";

const error = (name, code, className, message) => JSON.stringify({ name, message, code, className });
const badRequest = (message) => error("BadRequest", 400, "bad-request", message);
const general = (message) => error("GeneralError", 500, "general-error", message);
const refused = (message) => `{"ERROR":${badRequest(message)}}`;

/** What `echo` makes of a list of the first numbers. */
const list = (count) => JSON.stringify({ query: { a: Array.from({ length: count }, (_, n) => `${n}`) } });

/** The people who are left in the end. */
const REST = '{"id":2,"name":"Doug"},{"id":3,"name":"Alice"},{"id":4,"name":"Nil"},{"id":5,"name":"X"}';
const OWN = '{"id":9000,"name":"Own"}';

/** What somebody who logged in is answered. */
const ANN = '"user":{"email":"ann@example.com","id":1}';
const CLAIMS = '"payload":{"iat":0,"exp":0,"aud":"https://example.com","iss":"roost","sub":"1","jti":"…"}';
const BY_TOKEN = `"authentication":{"strategy":"jwt","accessToken":"<jwt>",${CLAIMS}}`;
const LOGIN = `{"accessToken":"<jwt>","authentication":{"strategy":"local",${CLAIMS}},${ANN},"refreshToken":"…"}`;
const SAME_LOGIN = `{"accessToken":"<jwt>",${BY_TOKEN},${ANN}}`;
const secret = (provider) => `{"provider":"${provider}",${ANN},${BY_TOKEN}}`;

/** @type {Record<"http" | "polling" | "sockets" | "logins" | "queries", Record<string, Difference>>} */
export const differences = {
  http: {
    "operators: string against number in memory adapter (no coercion)": {
      here: {
        body: '{"total":2,"limit":3,"skip":0,"data":[{"text":"three","id":3},{"text":"four","id":4}]}',
      },
      why: COERCED,
    },
    "undefined result": {
      here: { status: "204 No Content", headers: [], body: "" },
      why: UNSAID,
    },
    "plain Error": { here: { body: general("plain error") }, why: KINDS },
    "Error with own code/name": { here: { body: general("typed") }, why: KINDS },
    "thrown string": { here: { body: general("just a string") }, why: KINDS },
    "malformed JSON": {
      here: {
        status: "400 Bad Request",
        body: badRequest("The body is no JSON: key must be a string at line 1 column 2"),
      },
      why: "it is the client's mistake",
    },
    "form body": {
      here: { body: '{"data":{"a":"1","b":{"c":"2"}},"query":{},"provider":"rest"}' },
      why: PARAMS,
    },
    "no body at all": { here: { body: '{"query":{},"provider":"rest"}' }, why: PARAMS },
    "text body": { here: { body: '{"data":"hello","query":{},"provider":"rest"}' }, why: PARAMS },
    "query validation with coercion": {
      here: { body: '{"total":1,"limit":10,"skip":0,"data":[{"name":"n","age":3,"id":1}]}' },
      why: "the memory adapter forgets its paging when a schema has checked the query",
    },
    "qs indexed array, 22 items": { here: { body: list(22) }, why: LISTS },
    "qs indexed array, 21 items": { here: { body: list(21) }, why: LISTS },
    "qs a[]= array, 25 items": { here: { body: list(25) }, why: LISTS },
    "qs repeated key, 25 items": { here: { body: list(25) }, why: LISTS },
    "qs odds and ends": {
      here: {
        body:
          '{"query":{"a":["1","2"],"b":["x"],"c":"","d":"","e":"null","f":"true","g":" x y","h.i":"1",' +
          '"__proto__":{"x":"1"},"constructor":"1","toString":"2"}}',
      },
      why: "a filter that vanishes would match everything; here no name is special",
    },
    "local login": { here: { body: LOGIN }, why: REFRESH },
    "jwt login": { here: { body: SAME_LOGIN }, why: ISSUER },
    authenticated: { here: { body: secret("rest") }, why: HASH },
    "authenticated, bare token without scheme": { here: { body: secret("rest") }, why: HASH },
    logout: { here: { body: SAME_LOGIN }, why: ISSUER },
    "encoded id": {
      here: { body: '{"id":"a/b c","idType":"string","query":{}}' },
      why: "such records could not be reached",
    },
  },

  polling: {},

  sockets: {
    "method no service has: no listener, the ack NEVER comes": {
      here: {
        A: [`4329[${error("MethodNotAllowed", 405, "method-not-allowed", "Unknown method 'frobnicate'")}]`],
      },
      why: ANSWERED,
    },
    "no path": {
      here: { A: [`4330[${error("NotFound", 404, "not-found", "Invalid service path")}]`] },
      why: ANSWERED,
    },
    "missing arguments: create without data": {
      here: { A: ['4339[null,{"query":{},"provider":"socketio"}]'] },
      why: PARAMS,
    },
    "query string (Object.assign spreads characters)": {
      here: { A: ['4342[null,{"query":{}}]'] },
      why: NO_OBJECT,
    },
    "query array": { here: { A: ['4343[null,{"query":{}}]'] }, why: NO_OBJECT },
    "plain Error": { here: { A: [`4348[${general("plain error")}]`] }, why: KINDS },
    "Error with own code/name": { here: { A: [`4351[${general("typed")}]`] }, why: KINDS },
    "thrown string": { here: { A: [`4352[${general("just a string")}]`] }, why: KINDS },
    "what params hold (echo)": {
      here: {
        A: [
          '4353[null,{"data":{"a":1},"query":{"q":{"$in":[1,"2"]},"n":5,"t":true,"z":null},"provider":"socketio"}]',
        ],
      },
      why: PARAMS,
    },
    "two calls in flight: acks come in completion order": {
      here: {
        A: [
          `43900[${error("NotAuthenticated", 401, "not-authenticated", "Invalid login")}]`,
          '43901[null,[{"text":"a","id":1}]]',
        ],
      },
      why: "what is called after a login is called by who logged in",
    },
    "binary: create with a Buffer placeholder (451-)": {
      here: {
        A: [
          '461-950[null,{"data":{"bin":{"_placeholder":true,"num":0}},"query":{},"provider":"socketio"}]',
          "(binary 5 bytes) 68656c6c6f",
        ],
      },
      why: PARAMS,
    },
  },

  logins: {
    "local login": { here: { A: [`433[null,${LOGIN}]`] }, why: REFRESH },
    "protected service after login": { here: { A: [`434[null,${secret("socketio")}]`] }, why: HASH },
    logout: { here: { A: [`436[null,${SAME_LOGIN}]`] }, why: ISSUER },
    "jwt login with stored token (client reAuthenticate)": {
      here: { A: [`4310[null,${SAME_LOGIN}]`] },
      why: ISSUER,
    },
    "still logged in from before": { here: { A: [`4313[null,${secret("socketio")}]`] }, why: HASH },
    "protected service, authenticated by the handshake header": {
      here: { C: [`430[null,${secret("socketio")}]`] },
      why: HASH,
    },
    "handshake header with a bad token: connection refused with CONNECT_ERROR (44)": {
      here: {
        D: [
          '0{"sid":"…","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
          '44{"message":"jwt malformed"}',
        ],
      },
      why: "the library sends a message only",
    },
  },

  queries: {
    "$in with null": {
      here: '[{"id":3,"name":"Alice"},{"id":4,"name":"Nil"}]',
      why: "null in a list finds null, as the memory adapter has it",
    },
    "$in not an array": {
      here: '[{"id":1,"name":"Bob","age":25,"created":true,"time":null}]',
      why: "over REST a list of one looks like this; the memory adapter takes it, too",
    },
    "$or not an array": { here: refused("$or must be a list of queries"), why: NO_SQL },
    $ilike: {
      here: '[{"id":1,"name":"Bob","age":25,"created":true,"time":null}]',
      why: "it works on both databases",
    },
    "unknown column": { here: refused("Unknown field 'nope'"), why: NO_SQL },
    "$sort as string": { here: refused('$sort must be an object such as {"name": 1}'), why: NO_SQL },
    "$sort unknown column": { here: refused("Unknown field 'nope'"), why: NO_SQL },
    "$sort array": { here: refused('$sort must be an object such as {"name": 1}'), why: NO_SQL },
    "$select unknown": { here: '[{"id":1}]', why: "as the memory adapter has it" },
    "$select string": { here: '[{"id":1,"name":"Bob"}]', why: "over REST a list of one looks like this" },
    "$skip -1": {
      here: '[{"id":1,"name":"Bob"},{"id":2,"name":"Doug"},{"id":3,"name":"Alice"},{"id":4,"name":"Nil"}]',
      why: "less than nothing is nothing, as the memory adapter has it",
    },
    "get object id": { here: refused("The id must be a string or a number"), why: NO_SQL },
    "create missing required column": { here: refused("`name` is required"), why: NO_SQL },
    "create unknown column": {
      here: '{"id":5,"name":"X","age":null,"created":null,"time":null}',
      why: "a service ignores fields that its table lacks, unless it is told to refuse them",
    },
    "create duplicate id": {
      here: `{"ERROR":${error("Conflict", 409, "conflict", "A record with this id or unique value already exists")}}`,
      why: NO_SQL,
    },
    "create null": { here: refused("The data must be an object"), why: NO_SQL },
    "create string": { here: refused("The data must be an object"), why: NO_SQL },
    "create query is ignored except $select": {
      here: { PostgreSQL: '{"id":6,"name":"Q"}' },
      why: SEQUENCE,
    },
    "patch empty data": {
      here: '{"id":1,"name":"Bob","age":27,"created":true,"time":null}',
      why: "to change nothing is no failure",
    },
    "remove many $limit is ignored": {
      here: {
        SQLite: `[${REST},${OWN},{"id":9001,"name":"Q"}]`,
        PostgreSQL: `[${REST},{"id":6,"name":"Q"},${OWN}]`,
      },
      why: `X was created above; ${SEQUENCE}`,
    },
  },
};

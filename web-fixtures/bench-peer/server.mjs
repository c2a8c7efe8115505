// A plain Feathers 5 daemon with the two services that the bench needs: `node server.mjs FILE`.
//
// It is what the generator writes for koa, socketio, knex and better-sqlite3, without the parts that
// cost time and that the bench does not use (schemas, authentication, logging). Nothing is tuned
// beyond that but what Roost has too: the write-ahead log, synchronous=NORMAL, time-ordered ids.

import { feathers } from '@feathersjs/feathers'
import { KnexService } from '@feathersjs/knex'
import { bodyParser, errorHandler, koa, parseAuthentication, rest } from '@feathersjs/koa'
import socketio from '@feathersjs/socketio'
import knex from 'knex'
import { v7 } from 'uuid'

const pragmas = ['journal_mode = WAL', 'synchronous = NORMAL', 'foreign_keys = ON']

const db = knex({
  client: 'better-sqlite3',
  connection: { filename: process.argv[2] },
  useNullAsDefault: true,
  pool: {
    min: 1,
    max: 1,
    afterCreate(connection, done) {
      for (const pragma of pragmas) connection.pragma(pragma)
      done(null, connection)
    }
  }
})

await db.schema.createTable('sessions', (table) => {
  table.text('session_id').primary()
  for (const name of ['status', 'agent', 'created_at', 'last_updated']) table.text(name).notNullable()
  for (const name of ['agent_version', 'description']) table.text(name)
  for (const name of ['repo', 'git_state', 'genealogy', 'concepts', 'tasks']) table.text(name).notNullable()
  for (const name of ['message_count', 'tool_use_count']) table.bigInteger(name).notNullable()
})

await db.schema.createTable('messages', (table) => {
  table.text('message_id').primary()
  table.text('session_id').notNullable().references('sessions.session_id').onDelete('CASCADE')
  table.text('task_id')
  for (const name of ['type', 'role']) table.text(name).notNullable()
  table.bigInteger('index').notNullable()
  for (const name of ['timestamp', 'content_preview', 'content']) table.text(name).notNullable()
  for (const name of ['tool_uses', 'metadata']) table.text(name)
  table.index(['session_id', 'index'])
})

const each = (value, change) => (Array.isArray(value) ? value.map(change) : change(value))

const defaults = (complete) => async (context) => {
  context.data = each(context.data, (item) => ({ ...complete(new Date().toISOString()), ...item }))
}

// The database keeps JSON as text.
const columns = (names, change) => (record) => {
  for (const name of names) if (record[name] != null) record[name] = change(record[name])
  return record
}
const write = (names) => async (context) => {
  if (context.data) context.data = each(context.data, (item) => columns(names, JSON.stringify)({ ...item }))
}
const read = (names) => async (context) => {
  each(context.result.data ?? context.result, columns(names, JSON.parse))
}

const session = (now) => ({
  session_id: v7(),
  status: 'idle',
  agent: 'claude-code',
  created_at: now,
  last_updated: now,
  repo: {},
  git_state: {},
  genealogy: {},
  concepts: [],
  tasks: [],
  message_count: 0,
  tool_use_count: 0
})

const message = (now) => ({ message_id: v7(), type: 'user', role: 'user', timestamp: now, content: '', content_preview: '' })

const app = koa(feathers())
app.use(errorHandler())
app.use(parseAuthentication())
app.use(bodyParser())
app.configure(rest())
app.configure(socketio())

const service = (name, id, paginate, multi) => new KnexService({ Model: db, name, id, paginate, multi })
app.use('sessions', service('sessions', 'session_id', { default: 50, max: 1000 }, ['patch', 'remove']))
app.use('messages', service('messages', 'message_id', { default: 100, max: 10000 }, ['create', 'patch', 'remove']))

const json = {
  sessions: ['repo', 'git_state', 'genealogy', 'concepts', 'tasks'],
  messages: ['content', 'tool_uses', 'metadata']
}
for (const [path, complete] of Object.entries({ sessions: session, messages: message })) {
  const [toText, fromText] = [write(json[path]), read(json[path])]
  app.service(path).hooks({
    before: { create: [defaults(complete), toText], update: [toText], patch: [toText] },
    after: { all: [fromText] }
  })
}

app.on('connection', (connection) => app.channel('everybody').join(connection))
app.publish(() => app.channel('everybody'))

const server = await app.listen(0, '127.0.0.1')
const announce = () => process.stderr.write(`listening on http://127.0.0.1:${server.address().port}\n`)
if (server.listening) announce()
else server.once('listening', announce)

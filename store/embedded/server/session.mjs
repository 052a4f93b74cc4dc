// One client's connection: from its start-up packet to its end.
import * as protocol from './protocol.mjs'
import { ProtocolError } from './protocol.mjs'
import { Crash, QueryError } from './backend.mjs'
import { examine, identifier, literal, raising } from './sql.mjs'
import { Statements } from './statements.mjs'

// Bytes that a client may send before the backend takes them: messages up to a Sync, or the data of a COPY.
const MAX_GROUP = 640 * 1024 * 1024
// Milliseconds that a client has to take the reason why its connection is closed.
const FAREWELL = 1000

// Settings whose values every client is told at the start.
const REPORTED = ['application_name', 'client_encoding', 'DateStyle', 'default_transaction_read_only', 'in_hot_standby',
  'integer_datetimes', 'IntervalStyle', 'is_superuser', 'search_path', 'server_encoding', 'server_version',
  'session_authorization', 'standard_conforming_strings', 'TimeZone']

const SHOW_REPORTED = `SELECT ${REPORTED.map((name) => `current_setting(${literal(name)})`).join(', ')}`

const PROTOCOL_PARAMETERS = new Set(['user', 'database', 'options', 'replication'])

let sessions = 0

export class Session {
  // Statements that restore the session's settings once another session has used the backend.
  settings = ''
  // Whether they may be out of date.
  dirty = true

  #id = ++sessions
  #socket
  #backend
  #idleLimit
  #statements
  #framer = new protocol.Framer()
  #group = new Group()
  #reported = [] // the values of REPORTED that the client knows
  #unreported = false // whether others may be in force
  #preparesSet = false // a prepared statement of the session may change settings, whenever it is executed
  #started = false // the start-up packet has been answered
  #ended = false // the client has been told that the connection ends
  #copying = false // the client is sending the data of a COPY
  #held = false // the session holds the backend: it is within a transaction or before a Sync
  #status = 'I' // the transaction's status when the backend last answered, null before a Sync
  #idle // the timer of a session that holds the backend

  constructor(socket, backend, { idleInTransaction }) {
    this.#socket = socket
    this.#backend = backend
    this.#idleLimit = idleInTransaction
    this.#statements = new Statements(backend.prepared)
    socket.on('error', () => {}) // the end of the connection follows, and is all that matters
  }

  // run serves the client until either side ends the connection. It throws only what the whole process ends from.
  async run() {
    try {
      for await (const chunk of this.#socket) {
        // What still comes after the end is read and forgotten: a socket closed with data unread drops what it has sent.
        if (!this.#ended) await this.#hear(chunk)
      }
    } catch (error) {
      if (error instanceof Crash) throw error // any other is the socket's
    }
    this.#leave()
    await this.#close()
  }

  // end tells the client why, ends the connection, and lets go of the backend.
  end(code, text) {
    this.say(code, text)
    this.#leave()
  }

  // say tells the client why its connection ends.
  say(code, text) {
    if (!this.#ended) this.#hangUp(protocol.errorResponse('FATAL', code, text))
  }

  sayCrashed(error) {
    this.say('57P02', `the embedded database has crashed and starts anew: ${error.message}`)
  }

  #hangUp(last) {
    this.#ended = true
    this.#socket.end(last)
    setTimeout(() => this.#socket.destroy(), FAREWELL).unref()
  }

  async #hear(chunk) {
    try {
      this.#framer.push(chunk)
      this.#started ||= await this.#start()
      if (this.#started && !(await this.#receive())) this.#hangUp()
    } catch (error) {
      if (error instanceof Crash) {
        this.sayCrashed(error) // before the loop that called this is left, which destroys the socket
        throw error
      }
      if (error instanceof ProtocolError) this.end(error.code, error.message)
      else this.end('XX000', `the embedded database's socket server has failed: ${error.stack}`)
    }
  }

  // start answers start-up packets until the session has begun. A cancel request comes on a connection of its own and
  // cannot reach a running statement: it is let go.
  async #start() {
    for (let packet; (packet = this.#framer.startup()); ) {
      const version = packet.readInt32BE(4)
      if (version === protocol.SSL_REQUEST || version === protocol.GSS_REQUEST) this.#socket.write('N')
      else if (version === protocol.CANCEL_REQUEST) {
        this.#hangUp()
        return false
      } else if (version >> 16 !== 3) throw new ProtocolError('the embedded database speaks protocol 3.0', '0A000')
      else {
        await this.#begin(version & 0xffff, protocol.startupParameters(packet))
        return true
      }
    }
    return false
  }

  async #begin(minor, parameters) {
    const user = parameters.get('user')
    const database = parameters.get('database') || user
    if (!user) throw new ProtocolError('no user name in the startup packet', '28000')
    if (database !== 'postgres') {
      throw new ProtocolError(`database "${database}" does not exist: the embedded one is called postgres`, '3D000')
    }
    if (parameters.has('replication')) throw new ProtocolError('the embedded database does not replicate', '0A000')
    await this.#enter(user, parameters)
    const unknown = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'))
    this.#socket.write(Buffer.concat([
      ...(minor > 0 || unknown.length ? [protocol.negotiateProtocolVersion(unknown)] : []),
      protocol.authenticationOk(),
      ...REPORTED.map((name, i) => protocol.parameterStatus(name, this.#reported[i])),
      protocol.backendKeyData(this.#id, 0),
      protocol.readyForQuery('I'),
    ]))
  }

  // enter applies the start-up parameters to the backend and notes the values of the reported settings.
  async #enter(user, parameters) {
    const settings = settingsOf(parameters)
    await this.#backend.acquire(this)
    try {
      this.#backend.activate(this)
      for (const [name, value] of settings) {
        this.#backend.query(`SELECT set_config(${literal(name)}, ${literal(value)}, false)`)
      }
      if (user !== 'postgres') this.#backend.query(`SET SESSION AUTHORIZATION ${identifier(user)}`)
      this.#reported = this.#backend.query(SHOW_REPORTED)[0]
    } catch (error) {
      if (error instanceof QueryError) throw new ProtocolError(error.message, '28000')
      throw error
    } finally {
      this.#backend.release()
    }
  }

  // receive takes the messages that have come whole, and is false once the client says goodbye.
  async #receive() {
    for (let message; !this.#ended && (message = this.#framer.message()); ) {
      const type = protocol.typeOf(message)
      if (type === 'X') return false
      if (this.#copying) await this.#copy(type, message)
      else await this.#take(type, message)
    }
    return true
  }

  // take gathers a message, and runs the group once it is complete.
  async #take(type, message) {
    if ('dcf'.includes(type)) return // the rest of a COPY that has failed
    if (type === 'Q') await this.#query(message)
    else {
      this.#group.add(type === 'P' ? this.#examined(message) : message)
      if (type === 'S' || type === 'H') await this.#execute()
    }
  }

  async #query(message) {
    // On its own: should a message before it fail, then it is skipped like everything up to the next Sync.
    if (!this.#group.empty) {
      this.#group.add(protocol.FLUSH)
      await this.#execute()
    }
    const found = examine(protocol.cstring(message, 5).text)
    this.#group.note(found)
    if (found.copyIn && this.#status !== null) {
      this.#copying = true
      this.#group.add(message)
      this.#socket.write(protocol.copyInResponse(found.copyIn.binary, found.copyIn.columns))
      return
    }
    const refused = found.refused ?? (found.copyIn && 'COPY FROM STDIN cannot follow messages without a Sync')
    this.#group.add(refused ? protocol.query(raising('0A000', refused)) : message)
    await this.#execute()
  }

  // examined returns a Parse message, or one of a statement that fails if this one must not run.
  #examined(message) {
    const name = protocol.cstring(message, 5)
    const found = examine(protocol.cstring(message, name.next).text)
    this.#group.note(found)
    this.#preparesSet ||= found.sets
    const refused = found.refused ?? (found.copyIn && 'the embedded database takes COPY FROM STDIN only as a simple query')
    return refused ? protocol.message('P', name.text, raising('0A000', refused), Buffer.alloc(2)) : message
  }

  // copy gathers the data of a COPY until its end. Flush and Sync are ignored meanwhile, as the protocol asks.
  async #copy(type, message) {
    if (type === 'H' || type === 'S') return
    if (!'dcf'.includes(type)) throw new ProtocolError(`unexpected message type "${type}" during COPY from stdin`)
    this.#group.add(message)
    this.#copying = type === 'd'
    if (!this.#copying) await this.#execute()
  }

  // execute gives the gathered messages to the backend and its answer to the client.
  async #execute() {
    const group = this.#group
    this.#group = new Group()
    clearTimeout(this.#idle)
    await this.#backend.acquire(this)
    if (this.#ended) return this.#backend.release()
    this.#held = true
    const output = this.#call(group)
    this.#status = transactionStatus(output)
    if (this.#status === 'I') this.#free()
    else this.#idle = setTimeout(() => this.end('25P03', 'terminating connection due to idle-in-transaction timeout'), this.#idleLimit)
    await this.#send(output)
  }

  #call(group) {
    try {
      this.#backend.activate(this)
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      throw new ProtocolError(`the session's settings cannot be restored: ${error.message}`, '57P01')
    }
    this.dirty ||= group.sets || this.#preparesSet
    const { messages, missing } = this.#statements.translate(group.messages)
    const errors = missing.length ? errorsIn(this.#backend.call([...missing, protocol.FLUSH])) : []
    let output = [...errors, ...this.#backend.call(messages)]
    // The client has been told already that its data may come.
    if (group.copies) output = [...protocol.messages(Buffer.concat(output))].filter((message) => protocol.typeOf(message) !== 'G')
    if (group.deallocates) this.#backend.prepared.names.clear()
    this.#settle(group, output)
    return output
  }

  // settle sees to the settings after a group: those that were reset, and telling the client of those that have changed. Within
  // a transaction the latter must wait, for a query there would forbid the client to choose an isolation level.
  #settle(group, output) {
    const status = transactionStatus(output)
    this.#unreported ||= group.sets || this.#preparesSet
    if (status === 'I' || status === 'T') this.#backend.rebase(group.resets)
    if (status !== 'I' || !this.#unreported) return
    this.#unreported = false
    const before = this.#reported
    this.#reported = this.#backend.query(SHOW_REPORTED)[0]
    const changed = REPORTED.flatMap((name, i) => {
      return this.#reported[i] === before[i] ? [] : [protocol.parameterStatus(name, this.#reported[i])]
    })
    output.unshift(...changed)
  }

  async #send(output) {
    this.#socket.cork()
    for (const part of output) this.#socket.write(part)
    this.#socket.uncork()
    if (this.#socket.writableNeedDrain) {
      await this.#drained()
    }
    // Let other clients, timers and the parent have their turn, however much this one has sent ahead.
    await new Promise(setImmediate)
  }

  // drained waits until the client has taken what was sent, or is gone; whichever comes first takes both listeners away.
  #drained() {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done).off('close', done)
        resolve()
      }
      this.#socket.on('drain', done).on('close', done)
    })
  }

  // leave rolls back what the client has left open.
  #leave() {
    clearTimeout(this.#idle)
    if (!this.#held) return
    this.#backend.call([protocol.SYNC])
    this.#backend.query('ROLLBACK')
    this.#free()
  }

  #free() {
    this.#held = false
    this.#backend.release()
  }

  // close drops what the backend keeps for the session.
  async #close() {
    this.#socket.destroy()
    const closing = this.#statements.closing()
    if (closing.length > 0) {
      await this.#backend.acquire(this)
      this.#backend.call([...closing, protocol.SYNC])
      this.#backend.release()
    }
    this.#backend.forget(this)
  }
}

// Group gathers the messages that the backend takes at once, and what is to be done about them.
class Group {
  messages = []
  copies = false
  deallocates = false
  resets = []
  sets = false
  #size = 0

  get empty() {
    return this.messages.length === 0
  }

  add(message) {
    this.#size += message.length
    if (this.#size > MAX_GROUP) throw new ProtocolError(`more than ${MAX_GROUP} bytes at once: send them in parts`, '54000')
    this.messages.push(message)
  }

  note({ copyIn, deallocates, resets, sets }) {
    this.copies ||= copyIn !== null
    this.deallocates ||= deallocates
    this.resets.push(...resets)
    this.sets ||= sets
  }
}

// transactionStatus reads the status in the ReadyForQuery that ends an answer, or null where none does.
function transactionStatus(output) {
  const tail = Buffer.concat(output.slice(-6)).subarray(-6)
  return tail.length === 6 && tail.toString('latin1', 0, 5) === 'Z\0\0\0\x05' ? String.fromCharCode(tail[5]) : null
}

const errorsIn = (output) => [...protocol.messages(Buffer.concat(output))].filter((message) => protocol.typeOf(message) === 'E')

// settingsOf lists the settings in start-up parameters, those within "options" (-c name=value) first.
function settingsOf(parameters) {
  const settings = []
  const words = (parameters.get('options') ?? '').match(/(?:\\.|\S)+/g) ?? []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] === '-c' ? (words[++i] ?? '') : words[i].replace(/^(-c|--)/, '')
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word.replace(/\\(.)/gs, '$1')) ?? []
    if (!name) throw new ProtocolError(`invalid command-line argument in options: ${word}`, '42601')
    settings.push([name.replaceAll('-', '_'), value])
  }
  for (const [name, value] of parameters) {
    if (!PROTOCOL_PARAMETERS.has(name) && !name.startsWith('_pq_.')) settings.push([name, value])
  }
  return settings
}

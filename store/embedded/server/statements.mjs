// Prepared statements of many sessions on one backend. Each gets a name of its own there. A session keeps the Parse messages of
// its statements, so that one that is gone from the backend is simply prepared anew: the unnamed statement, which the next
// session overwrites, or all of them after some session's DEALLOCATE ALL.
import { CLOSE_STATEMENT, cstring, message, typeOf } from './protocol.mjs'

let made = 0

// Prepared is what the backend holds.
export class Prepared {
  names = new Set()
  unnamed = null // the Statements whose unnamed statement it is
}

export class Statements {
  #prepared
  #parses = new Map() // by the client's name: {name: the backend's, parse: the message that prepares it}

  constructor(prepared) {
    this.#prepared = prepared
  }

  // translate replaces the client's names in a group of messages, and lists the messages that prepare anew what is missing.
  translate(group) {
    const missing = []
    const messages = group.map((message) => {
      switch (typeOf(message)) {
        case 'Q':
          this.#parses.delete('')
          this.#prepared.unnamed = null // as PostgreSQL does
          return message
        case 'P':
          return this.#parse(message)
        case 'B':
          return this.#rename(message, cstring(message, 5).next, missing)
        case 'D':
          return message[5] === CLOSE_STATEMENT[0] ? this.#rename(message, 6, missing) : message
        case 'C':
          return message[5] === CLOSE_STATEMENT[0] ? this.#close(message) : message
        default:
          return message
      }
    })
    return { messages, missing }
  }

  // closing returns the messages that drop the session's statements from the backend.
  closing() {
    const names = [...this.#parses.values()].map(({ name }) => name).filter((name) => this.#prepared.names.delete(name))
    return names.map((name) => message('C', CLOSE_STATEMENT, name))
  }

  #parse(parse) {
    const { text, next } = cstring(parse, 5)
    if (text === '') {
      this.#parses.set('', { name: '', parse })
      this.#prepared.unnamed = this
      return parse
    }
    const name = this.#parses.get(text)?.name ?? `rcas_${++made}`
    const renamed = message('P', name, parse.subarray(next))
    this.#parses.set(text, { name, parse: renamed })
    this.#prepared.names.add(name)
    return renamed
  }

  // rename replaces the statement's name at an offset, and sees to it that the backend has the statement.
  #rename(original, at, missing) {
    const { text, next } = cstring(original, at)
    const statement = this.#parses.get(text)
    if (!statement) return original
    if (text === '') {
      if (this.#prepared.unnamed !== this) missing.push(statement.parse)
      this.#prepared.unnamed = this
      return original
    }
    if (!this.#prepared.names.has(statement.name)) {
      missing.push(message('C', CLOSE_STATEMENT, statement.name), statement.parse)
      this.#prepared.names.add(statement.name)
    }
    return message(typeOf(original), original.subarray(5, at), statement.name, original.subarray(next))
  }

  #close(original) {
    const { text, next } = cstring(original, 6)
    const statement = this.#parses.get(text)
    this.#parses.delete(text)
    if (!statement || text === '') return original
    this.#prepared.names.delete(statement.name)
    return message('C', CLOSE_STATEMENT, statement.name, original.subarray(next))
  }
}

// PostgreSQL's wire protocol, version 3.0, as far as a server between clients and one backend needs it: cutting a byte
// stream into messages, and building the few messages that the server says itself.
// https://www.postgresql.org/docs/17/protocol-message-formats.html

// Longest message taken from a client. PostgreSQL's own limit is 1 GiB, which this process could not hold twice.
export const MAX_MESSAGE = 320 * 1024 * 1024
// Longest start-up packet, as in PostgreSQL (MAX_STARTUP_PACKET_LENGTH).
export const MAX_STARTUP = 10_000

// First words of a connection, where the protocol version stands otherwise.
export const SSL_REQUEST = 80877103
export const GSS_REQUEST = 80877104
export const CANCEL_REQUEST = 80877102

// ProtocolError ends a connection: what its client sends cannot be understood any further.
export class ProtocolError extends Error {
  constructor(message, code = '08P01') {
    super(message)
    this.code = code
  }
}

// Framer cuts a byte stream into messages. Chunks are kept as they come and joined once a message is whole, so that a large
// message costs one copy, not one per chunk.
export class Framer {
  #chunks = []
  #size = 0

  push(chunk) {
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  // startup returns the next packet without a type byte (length included), or null while it is incomplete.
  startup() {
    if (this.#size < 4) return null
    const length = this.#peek(4).readInt32BE(0)
    if (length < 8 || length > MAX_STARTUP) throw new ProtocolError('invalid length of startup packet')
    return this.#size < length ? null : this.#take(length)
  }

  // message returns the next message with its type byte and length, or null while it is incomplete.
  message() {
    if (this.#size < 5) return null
    const head = this.#peek(5)
    const length = head.readInt32BE(1)
    if (!KNOWN.has(head[0])) throw new ProtocolError(`invalid frontend message type ${head[0]}`)
    if (length < 4) throw new ProtocolError('invalid message length')
    if (length > MAX_MESSAGE) throw new ProtocolError(`a message of ${length} bytes is longer than ${MAX_MESSAGE}`, '54000')
    return this.#size < length + 1 ? null : this.#take(length + 1)
  }

  #peek(n) {
    if (this.#chunks[0].length < n) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]
  }

  #take(n) {
    if (this.#chunks[0].length < n) this.#chunks = [Buffer.concat(this.#chunks)]
    const first = this.#chunks[0]
    if (first.length === n) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(n)
    this.#size -= n
    return first.subarray(0, n)
  }
}

// The frontend messages that a client may send once it is connected: Bind, Close, Describe, Execute, Flush, Parse, Query, Sync,
// Terminate and those of COPY. Any other kills the backend or confuses it, as FunctionCall does, so none reaches it.
const KNOWN = new Set(Buffer.from('BCDEHPQSXcdf'))

// typeOf is the message type as a letter.
export const typeOf = (message) => String.fromCharCode(message[0])

// cstring reads a zero-terminated string and says where the next field begins.
export function cstring(buffer, from) {
  const end = buffer.indexOf(0, from)
  if (end < 0) throw new ProtocolError('invalid string in message')
  return { text: buffer.toString('utf8', from, end), next: end + 1 }
}

// message builds one message from its type and the parts of its body (strings are sent zero-terminated).
export function message(type, ...parts) {
  const body = parts.map((part) => (typeof part === 'string' ? Buffer.from(part + '\0') : part))
  const head = Buffer.alloc(type ? 5 : 4)
  if (type) head.write(type, 0, 'latin1')
  head.writeInt32BE(4 + body.reduce((sum, part) => sum + part.length, 0), head.length - 4)
  return Buffer.concat([head, ...body])
}

const int32 = (...values) => {
  const buffer = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => buffer.writeInt32BE(value, 4 * i))
  return buffer
}

export const CLOSE_STATEMENT = Buffer.from('S') // what a Close or Describe is about
export const query = (sql) => message('Q', sql)
export const SYNC = message('S')
export const FLUSH = message('H')
export const authenticationOk = () => message('R', int32(0))
export const backendKeyData = (pid, secret) => message('K', int32(pid, secret))
export const parameterStatus = (name, value) => message('S', name, value)
export const readyForQuery = (status) => message('Z', Buffer.from(status))
export const negotiateProtocolVersion = (options) => message('v', int32(0, options.length), ...options)

export function errorResponse(severity, code, text) {
  const fields = [['S', severity], ['V', severity], ['C', code], ['M', text]]
  return message('E', ...fields.map(([name, value]) => name + value), Buffer.alloc(1))
}

// copyInResponse announces that COPY data may come; the formats of the columns are all the same in text and in binary.
export function copyInResponse(binary, columns) {
  const body = Buffer.alloc(3 + 2 * columns)
  body[0] = binary ? 1 : 0
  body.writeInt16BE(columns, 1)
  for (let i = 0; i < columns; i++) body.writeInt16BE(body[0], 3 + 2 * i)
  return message('G', body)
}

// startupParameters reads the names and values of a start-up packet.
export function startupParameters(packet) {
  const parameters = new Map()
  for (let at = 8; at < packet.length && packet[at] !== 0; ) {
    const name = cstring(packet, at)
    const value = cstring(packet, name.next)
    parameters.set(name.text, value.text)
    at = value.next
  }
  return parameters
}

// messages walks the whole messages of a backend's answer.
export function* messages(buffer) {
  for (let at = 0; at + 5 <= buffer.length; ) {
    const end = at + 1 + buffer.readInt32BE(at + 1)
    yield buffer.subarray(at, end)
    at = end
  }
}

// errorText reads the message of an ErrorResponse.
export function errorText(response) {
  for (let at = 5; response[at] !== 0; ) {
    const field = cstring(response, at)
    if (field.text[0] === 'M') return field.text.slice(1)
    at = field.next
  }
  return 'unknown error'
}

// dataRow reads the text values of a DataRow, null where the value is NULL.
export function dataRow(row) {
  const values = []
  for (let at = 7, n = row.readInt16BE(5); n > 0; n--) {
    const length = row.readInt32BE(at)
    values.push(length < 0 ? null : row.toString('utf8', at + 4, at + 4 + length))
    at += 4 + Math.max(length, 0)
  }
  return values
}

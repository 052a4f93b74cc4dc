// Just enough of SQL's lexical structure to recognise the few statements that the socket server must treat itself. All else
// is the database's own business.
// https://www.postgresql.org/docs/17/sql-syntax-lexical.html

// Quoted things are found by their opening and ended by hand: a regular expression would go wrong on long ones.
const TOKEN = /\s+|--[^\n]*|\/\*|[eE]?'|"|\$(\w*)\$|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*|[^]/y

// A text without any of these words needs no look at its tokens.
const WORTH_A_LOOK = /\b(?:copy|listen|deallocate|discard|reset|default|concurrently|extension|schema)\b/i

// What may change a session's settings. A function that a SELECT calls may too: such a change lasts until the next session's turn.
const MAY_SET = /\b(?:set|set_config|reset|discard|do(?!\s+(?:nothing|update)\b)|call|execute)\b/i

const PLAIN = Object.freeze({ copyIn: null, refused: null, deallocates: false, resets: [], sets: false })

// examine tells what the server must know of a query text:
//   copyIn       {binary, columns} if it is one COPY … FROM STDIN
//   refused      why it must not run, or null
//   deallocates  whether it drops the prepared statements of every session
//   sets         whether it may change settings
//   resets       which settings it sets back to the module's own, "all" for all of them
export function examine(text) {
  const sets = MAY_SET.test(text)
  if (!WORTH_A_LOOK.test(text)) return sets ? { ...PLAIN, sets } : PLAIN
  const found = { ...PLAIN, resets: [], sets }
  const all = statements(text)
  for (const words of all) {
    if (words[0] === 'COPY') examineCopy(words, found)
    found.refused ??= refusal(words)
    if ((words[0] === 'DEALLOCATE' && words.at(-1) === 'ALL') || (words[0] === 'DISCARD' && words[1] === 'ALL')) {
      found.deallocates = true
    }
    found.resets.push(...resetsOf(words))
  }
  if (found.copyIn && all.length > 1) {
    found.refused ??= 'the embedded database takes COPY FROM STDIN only as a query of its own'
    found.copyIn = null
  }
  return found
}

// refusal says why a statement that would do lasting harm must not run.
function refusal(words) {
  const [first, second] = words
  if (first === 'LISTEN') return 'the embedded database does not deliver notifications: use NATS'
  // It fails halfway, after which its table can be neither changed nor dropped.
  if (/^(CREATE|DROP|REINDEX)$/.test(first) && words.slice(1, 10).includes('CONCURRENTLY')) {
    return 'the embedded database makes and drops no index CONCURRENTLY: leave that word out'
  }
  // The extension cannot be created again without a restart, and lives in that schema.
  if (first === 'DROP' && /^(EXTENSION|SCHEMA)$/.test(second) && words.some((word) => /^"?(TIMESCALEDB|PUBLIC)"?$/.test(word))) {
    return `the embedded database cannot do without ${second === 'SCHEMA' ? 'its schema public' : 'its extension timescaledb'}`
  }
  return null
}

function resetsOf(words) {
  const [first, second] = words
  if (first === 'DISCARD' && second === 'ALL') return ['all']
  if (first === 'RESET' && second) return [second.toLowerCase()]
  if (first === 'SET' && words.at(-1) === 'DEFAULT') return [words[/^(SESSION|LOCAL)$/.test(second) ? 2 : 1].toLowerCase()]
  return []
}

function examineCopy(words, found) {
  const at = words.findIndex((word) => word === 'FROM' || word === 'TO')
  const target = words[at + 1]
  if (at > 0 && target === 'PROGRAM') found.refused = 'the embedded database runs no programs'
  if (at > 0 && words[at] === 'FROM' && target === 'STDIN') {
    const options = words.slice(at + 2)
    const list = words.slice(0, at)
    const open = list.indexOf('(')
    found.copyIn = {
      binary: options.includes('BINARY') || options.includes("'BINARY'"),
      columns: open < 0 ? 0 : list.slice(open).filter((word) => word === ',').length + 1,
    }
  }
}

// statements splits a text into statements, each a list of its tokens in capitals, comments left out. The tokens of
// COPY (query) are dropped: a FROM within it is not COPY's own.
function statements(text) {
  const all = []
  let words = []
  let skipping = 0
  for (const token of tokens(text)) {
    if (token === ';') {
      if (words.length) all.push(words)
      words = []
      skipping = 0
    } else if (token === '(' && (skipping || (words.length === 1 && words[0] === 'COPY'))) skipping++
    else if (token === ')' && skipping) skipping--
    else if (!skipping) words.push(token.toUpperCase())
  }
  if (words.length) all.push(words)
  return all
}

function* tokens(text) {
  TOKEN.lastIndex = 0
  for (let match; TOKEN.lastIndex < text.length && (match = TOKEN.exec(text)); ) {
    const [token, tag] = match
    const start = match.index
    const next = TOKEN.lastIndex
    if (token === '/*') TOKEN.lastIndex = endOfComment(text, next)
    else if (tag !== undefined) TOKEN.lastIndex = after(text, token, next)
    else if (token === "'" || token === '"' || token.endsWith("'")) {
      const end = token.length === 2 ? endOfEscaped(text, next) : after(text, token, next)
      TOKEN.lastIndex = end
      yield text.slice(start, Math.min(end, start + 64))
    } else if (token.trim() && !token.startsWith('--')) yield token
  }
}

// after finds where a quoted thing ends. A doubled quote reads as the end of one and the beginning of the next, which comes to
// the same here.
function after(text, quote, from) {
  const end = text.indexOf(quote, from)
  return end < 0 ? text.length : end + quote.length
}

function endOfEscaped(text, at) {
  for (; at < text.length && text[at] !== "'"; at++) if (text[at] === '\\') at++
  return Math.min(at + 1, text.length)
}

// endOfComment finds the end of a block comment; they nest.
function endOfComment(text, at) {
  for (let depth = 1; depth > 0; at += 2) {
    const open = text.indexOf('/*', at)
    const close = text.indexOf('*/', at)
    if (close < 0) return text.length
    if (open >= 0 && open < close) depth++
    else depth--
    at = open >= 0 && open < close ? open : close
  }
  return at
}

export const literal = (text) => "'" + text.replaceAll("'", "''") + "'"
export const identifier = (text) => '"' + text.replaceAll('"', '""') + '"'

// raising is a statement that fails with the given error wherever it is run, so that a refusal behaves in every way like an
// error of the database: it aborts a transaction and skips a pipeline to its Sync.
export const raising = (code, text) =>
  `DO ${literal(`BEGIN RAISE EXCEPTION USING ERRCODE = ${literal(code)}, MESSAGE = ${literal(text)}; END`)}`

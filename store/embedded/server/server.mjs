// Serves the embedded TimescaleDB on the unix socket that the parent process listens on.
//
// The parent gives the socket as descriptor 3 and the configuration as JSON in the first argument. It reads from standard
// output: "ready" once clients are served, then "beat" as long as no statement holds the process. "stop" on standard input
// asks for an orderly end; the end of standard input means that the parent is gone.
import net from 'node:net'
import { createInterface } from 'node:readline'
import { Backend, Crash } from './backend.mjs'
import { Checkpointer } from './checkpoint.mjs'
import { Session } from './session.mjs'

const MAX_SESSIONS = 100
// Milliseconds that an orderly stop waits for a transaction of a client that does not go.
const STOP_PATIENCE = 5_000

const config = JSON.parse(process.argv[2])
const sessions = new Set()

// The parent ends this process; a Ctrl-C in the terminal that both run in must not do so before.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

const backend = await Backend.open(config.dataDir)
const checkpointer = new Checkpointer(backend)
if (config.create) {
  await checkpointer.checkpoint()
  process.exit(0)
}

process.stdout.on('error', () => process.exit(0))
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => line === 'stop' && stop().catch(die))
lines.on('close', () => process.exit(0))

const server = net.createServer((socket) => {
  const session = new Session(socket, backend, config)
  if (sessions.size >= MAX_SESSIONS) return session.end('53300', `more than ${MAX_SESSIONS} connections at once`)
  sessions.add(session)
  session.run().catch(die).finally(() => sessions.delete(session))
})
server.listen({ fd: 3 }, () => {
  process.stdout.write('ready\n')
  setInterval(() => process.stdout.write('beat\n'), config.beat)
  checkpointer.run().catch(die)
})

// stop ends the sessions, whose transactions are rolled back, and writes a last checkpoint.
async function stop() {
  server.close()
  for (const session of sessions) session.end('57P01', 'terminating connection due to administrator command')
  setTimeout(() => process.exit(0), STOP_PATIENCE).unref()
  await checkpointer.checkpoint()
  process.exit(0)
}

// die ends the process: after one exception out of the module every later call fails too. The parent starts it anew.
function die(error) {
  process.stderr.write(`${error instanceof Crash ? error.message : error.stack.replaceAll('\n', ' ')}\n`)
  for (const session of sessions) session.sayCrashed(error)
  process.exit(70)
}

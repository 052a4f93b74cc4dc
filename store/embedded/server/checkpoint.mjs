// Checkpoints: nothing else writes any here, and a database without grows by its whole write-ahead log and takes as long to
// start as to write that again.
const LOOK = 2_000 // milliseconds between looks at the log
const MOST = 100 * 1024 * 1024 // bytes of log that call for a checkpoint
const LONGEST = 60_000 // milliseconds after which anything written does

// Checkpointer takes its turn at the backend like a session.
export class Checkpointer {
  settings = '' // it has none of its own
  #backend
  #at = 0 // position in the log after the last checkpoint
  #time = 0

  constructor(backend) {
    this.#backend = backend
  }

  // run writes checkpoints until the process ends.
  async run() {
    await this.checkpoint()
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, LOOK))
      const written = await this.#use(() => this.#position() - this.#at)
      if (written > MOST || (written > 0 && Date.now() - this.#time > LONGEST)) await this.checkpoint()
    }
  }

  checkpoint() {
    return this.#use(() => {
      this.#backend.query('CHECKPOINT')
      this.#at = this.#position()
      this.#time = Date.now()
    })
  }

  #position() {
    return Number(this.#backend.query(`SELECT pg_current_wal_insert_lsn() - '0/0'`)[0][0])
  }

  async #use(work) {
    await this.#backend.acquire(this)
    try {
      this.#backend.activate(this)
      return work()
    } finally {
      this.#backend.release()
    }
  }
}

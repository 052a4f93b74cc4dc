// Package feed holds what all live sources share: opening a connection ([Dial]), asking a REST endpoint within its rate
// ([Client]), and the life of a source ([Runner]): session after session until its context ends, with back-off, watchdogs
// on silence and on missing data, planned handovers, and counters.
//
// A source is then two things: one file that decodes the provider's messages, and one that says how a session goes:
//
//	func (s *Source) Run(ctx context.Context, sink ingestor.Sink) error {
//		r := feed.Runner{Name: s.Name(), Sink: sink, Log: s.log, Silence: time.Minute, Idle: 5 * time.Minute}
//		return r.Run(ctx, func(sctx context.Context, session *feed.Session) error {
//			conn, err := feed.Dial(sctx, s.client, s.url, session)
//			if err != nil {
//				return err
//			}
//			defer conn.Close()
//			// subscribe, then:
//			return conn.Each(sctx, func(message []byte) error { … session.Data() … feed.Fatal(sink.Tweet(ctx, post)) … })
//		})
//	}
//
// The rules that a session keeps:
//
//   - It returns why it ended; the runner waits and starts the next one. An error made by [Fatal] ends the source, as does an
//     error of the sink (wrap those with Fatal too: RCAS itself cannot go on).
//
//   - It calls [Session.Data] for every message that carried data and never for heartbeats: Data resets the back-off and the
//     watchdog. Bytes of any kind count against silence by themselves.
//
//   - It hands data to the sink with the context of Run, not with its own: a watchdog ends a connection, never a message that
//     was already read.
//
//   - A message that cannot be decoded is counted by sink.Drop(name, "malformed") and costs nothing else.
//
//   - It tells a [State] what is left out, what fails, what could not be read and what is lost: the log has each once, and rcas status
//     shows it.
//
//   - What the sink drops as [ingestor.DropFuture] is not booked as read: this machine's clock may be wrong.
//
// Counters that every source has: reconnect, idle, silent, handover.
package feed

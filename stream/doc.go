// Package stream is RCAS's road between sources and database: NATS JetStream.
//
// [Open] connects to a server by URL or starts one inside the process, and makes sure that the streams and their durable
// consumers exist. [Stream.Publish] hands messages over; [Stream.Consume] reads them in batches and acknowledges each only after the
// handler's transaction has committed. A message that can never be handled is set aside in the DEAD stream with its error.
//
// Delivery is at least once; the database's keys make it effectively once.
package stream

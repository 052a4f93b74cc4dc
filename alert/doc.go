// Package alert tells people when mood and price part ways.
//
// The database decides what is an alert: record_alerts() stores each divergence event once, with a cooldown. The [Service] calls
// it on a ticker, publishes what is new on NATS as alerts.<symbol>, and posts it to a webhook. What has been sent is a column of
// the table alerts, so a restart forgets nothing; a message may come twice after a crash, with the same id, never not at all.
package alert

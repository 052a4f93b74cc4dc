// Package alert tells people when something happens to a coin's mood: it parts from the price, it moves, or who speaks, how much and of what
// is not what it was.
//
// The database decides what is an alert: record_alerts() stores each event of a rule once, with a cooldown, and notes when it is over. The
// [Service] calls it on a ticker, asks why (what came after earlier firings, who spoke, which words rose, which posts tell most), publishes on NATS
// as alerts.<symbol>, and sends to channels: webhooks, Telegram, Discord, Slack, e-mail. What has been sent where is in the table
// alert_deliveries, so a restart forgets nothing; a message may come twice after a crash, with the same id, never not at all.
package alert

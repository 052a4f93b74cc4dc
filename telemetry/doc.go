// Package telemetry tells how a process of RCAS is doing: metrics as Prometheus reads them, whether the process lives and is ready, and
// faults, each told once when it begins and once when it is over.
//
// One [Metrics] is made where the process starts and handed to the parts. A nil *Metrics counts nothing, so that parts need not ask
// whether anybody looks. [Listen] serves it.
package telemetry

// Command gpx is the back end of RCAS's Grafana data source: Grafana starts it and speaks gRPC with it.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	rcas "rcas/grafana/datasource"
)

func main() {
	if err := datasource.Manage(rcas.PluginID, rcas.New, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("the data source ends", "error", err)
		os.Exit(1)
	}
}

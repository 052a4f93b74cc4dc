// Package grafana holds what RCAS puts into Grafana: the data source and the word cloud (their front ends in TypeScript; the data source's back
// end in package datasource), and the provisioning. Its tests check how it all is deployed with Docker Compose.
package grafana

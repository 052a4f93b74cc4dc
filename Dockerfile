# Two images: rcas (the ingestor, the scorer, the migrations) and grafana (Grafana with RCAS's plugins, dashboards and alert rules). glibc
# throughout: the ONNX Runtime needs it. The build runs the same Make targets as everybody. Any builder since Docker 20.10 takes this file.

FROM node:22.21.1-bookworm-slim AS node

FROM golang:1.26.8-bookworm AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .

FROM build AS build-rcas
# The library is fetched by its checksum here, so that containers start without a network.
ARG VERSION=unknown
RUN make build VERSION="$VERSION" && XDG_CACHE_HOME=/cache bin/rcas setup && cp /cache/rcas/onnxruntime-*/libonnxruntime.so.1 bin/

FROM build AS build-plugins
RUN make plugins

FROM debian:12.12-slim AS rcas
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home rcas && install --directory --owner rcas --mode 0700 /var/lib/rcas
COPY --from=build-rcas /src/bin/rcas /usr/local/bin/rcas
COPY --from=build-rcas /src/bin/libonnxruntime.so.1 /usr/local/lib/
ENV RCAS_ONNXRUNTIME_LIB=/usr/local/lib/libonnxruntime.so.1 RCAS_DATA_DIR=/var/lib/rcas
USER rcas
ENTRYPOINT ["rcas"]
CMD ["--help"]

FROM grafana/grafana:12.3.0 AS grafana
COPY --from=build-plugins --chown=472:0 /src/grafana/dist/rcas-market-datasource /usr/share/rcas/plugins/rcas-market-datasource
COPY --from=build-plugins --chown=472:0 /src/grafana/dist/rcas-wordcloud-panel /usr/share/rcas/plugins/rcas-wordcloud-panel
COPY grafana/provisioning /usr/share/rcas/provisioning
COPY dashboards /usr/share/rcas/dashboards
COPY docker/grafana /usr/share/rcas/start
ENV GF_PATHS_PLUGINS=/usr/share/rcas/plugins GF_PATHS_PROVISIONING=/usr/share/rcas/provisioning RCAS_GRAFANA_DASHBOARDS=/usr/share/rcas/dashboards \
    GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS=rcas-market-datasource,rcas-wordcloud-panel GF_PLUGINS_PREINSTALL_DISABLED=true \
    GF_ANALYTICS_REPORTING_ENABLED=false GF_ANALYTICS_CHECK_FOR_UPDATES=false GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false \
    GF_DATE_FORMATS_INTERVAL_HOUR="D MMM HH:mm" GF_DATE_FORMATS_INTERVAL_DAY="D MMM"
ENTRYPOINT ["/usr/share/rcas/start"]

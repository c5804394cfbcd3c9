# docker build -t spanferry .
# The last stage holds the daemon, the libraries it needs and the CA certificates: no shell, no package manager.
# PACKAGE=prebuilt takes a .deb from build/deb instead of compiling.
ARG BASE=docker.io/library/debian:bookworm-slim
ARG PACKAGE=compiled

FROM ${BASE} AS compiled
WORKDIR /source
COPY .ci/install .ci/install
RUN .ci/install --build
COPY . .
RUN cmake --preset release && ninja -C build/release spanferry && deploy/deb/build.sh --out /package

FROM scratch AS prebuilt
COPY build/deb/ /package/

FROM ${PACKAGE} AS package

FROM ${BASE} AS files
COPY --from=package /package/ /package/
COPY deploy/image/collect.sh /usr/local/bin/collect
RUN apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates /package/*.deb && \
    collect /image/root
COPY deploy/image/spanferry.yaml /image/root/etc/spanferry/spanferry.yaml

FROM scratch
LABEL org.opencontainers.image.title="spanferry" \
      org.opencontainers.image.description="Keeps GenAI traces safe on disk and ferries them to their workspace" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=files /image/root /
USER 65532:65532
VOLUME /var/lib/spanferry
EXPOSE 4318/tcp 4319/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/bin/spanferry", "status", "--ready"]
ENTRYPOINT ["/usr/bin/spanferry"]
CMD ["run"]

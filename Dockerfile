# The gateway: one program on a small Debian, without privileges.
#
# In the running container nothing is written but DATA_DIR (kept secrets, the embedded database), so
# the rest may be read-only: docker run --read-only. With a server database not even that is used.
# Stop it with SIGTERM and give it longer than SHUTDOWN_TIMEOUT_SECONDS.
#
# Both bases can be replaced, as ./scripts/test-containers does on a machine without a registry.
ARG BUILD_BASE=rust:1.95-slim-bookworm
ARG RUN_BASE=debian:bookworm-slim

FROM ${RUN_BASE} AS base
# The authorities that vouch for databases, Sentry and collectors.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* && \
    groupadd --gid 10001 chorus && \
    useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin chorus && \
    install -d -o chorus -g chorus -m 0700 /data && \
    install -d -o chorus -g chorus -m 0755 /secrets/jwt /secrets/database /secrets/rabbitmq
LABEL org.opencontainers.image.title="Chorus" \
    org.opencontainers.image.description="Self-hosted real-time chat: the gateway" \
    org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    PORT=8080 \
    METRICS_PORT=9464 \
    DATA_DIR=/data
WORKDIR /data
VOLUME /data
EXPOSE 8080 9464
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["/usr/local/bin/chorus", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/chorus"]

FROM ${BUILD_BASE} AS build
WORKDIR /build
# A C compiler for the parts of the packages that are C: SQLite, TLS.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends gcc g++ libc6-dev make cmake && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# First only the packages, in a layer that lasts until one of them changes: the program is empty.
# Cargo wants to see every member of the workspace, the load generator too, of which nothing is built.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY bench/load/Cargo.toml bench/load/Cargo.toml
COPY .cargo/config.toml .cargo/config.toml
RUN mkdir -p src benches/spine client bench/load/src && \
    echo 'fn main() {}' >src/main.rs && \
    echo 'fn main() {}' >benches/spine/main.rs && \
    touch src/lib.rs bench/load/src/lib.rs && \
    cargo build --release --locked --bin chorus && \
    rm -rf src benches
COPY migrations migrations
COPY client client
COPY src src
# Cargo goes by times, and the empty program's is later than that of these files.
RUN mkdir -p benches/spine && \
    echo 'fn main() {}' >benches/spine/main.rs && \
    touch src/main.rs src/lib.rs && \
    cargo build --release --locked --bin chorus && \
    strip --strip-debug target/release/chorus && \
    mv target/release/chorus /chorus

FROM base AS gateway
COPY --from=build /chorus /usr/local/bin/chorus

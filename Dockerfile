# syntax=docker/dockerfile:1
#
# docker build -t fieldgate --build-arg VERSION=v1.2.3 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# Base images are named by version. For reproducible builds, add their digests, which
# "docker buildx imagetools inspect IMAGE" shows: FROM node:22-bookworm-slim@sha256:…

# The playground's page does not depend on the architecture.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS playground
WORKDIR /src
COPY playground playground
RUN --mount=type=cache,target=/root/.npm npm --prefix playground run build

# The program has no C code, so the builder's machine compiles it for any architecture.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
COPY --from=playground /src/playground/dist playground/dist
ARG TARGETOS TARGETARCH VERSION= REVISION=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X fieldgate/internal/version.number=$VERSION -X fieldgate/internal/version.revision=$REVISION" -o /out/fieldgate .
RUN mkdir -m 0700 /out/data

# The base image has no shell and no package manager. It adds about 2 MB: the certificates of authorities
# (for mail servers and MySQL with tls=true), /tmp and the user nonroot.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION= REVISION=
LABEL org.opencontainers.image.title="Fieldgate" \
      org.opencontainers.image.description="A GraphQL API server with accounts, sign-in and field-level authorization" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /out/fieldgate /usr/local/bin/fieldgate
# A volume that is mounted here belongs to the server's user. It holds the SQLite file; nothing else is written.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Checks that the server is alive, not ready: some orchestrators kill unhealthy containers, and a server that
# waits for its database must keep running.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --start-interval=1s --retries=3 CMD ["/usr/local/bin/fieldgate", "healthcheck", "--live"]
ENTRYPOINT ["/usr/local/bin/fieldgate"]
CMD ["serve"]

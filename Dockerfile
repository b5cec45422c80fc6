# syntax=docker/dockerfile:1
#
# docker build -t fieldgate --build-arg VERSION=v1.2.3 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# Base images are named by version. Whoever wants the same bytes each time adds their digests, which
# "docker buildx imagetools inspect IMAGE" shows: FROM node:22-bookworm-slim@sha256:…

# The page of the playground: the same on every processor.
FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS playground
WORKDIR /src
COPY playground playground
RUN --mount=type=cache,target=/root/.npm npm --prefix playground run build

# The program: no C, so that any processor's is made by the builder's own.
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

# No shell and no package manager. From the base come the certificates of authorities (for mail servers and MySQL
# with tls=true), /tmp and the user nonroot; it is some 2 MB.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION= REVISION=
LABEL org.opencontainers.image.title="Fieldgate" \
      org.opencontainers.image.description="A GraphQL API server with accounts, sign-in and field-level authorization" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /out/fieldgate /usr/local/bin/fieldgate
# A volume that is made here belongs to the user of the server. SQLite's file goes there; nothing else is ever written.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Alive, not ready: there are those who kill what is unhealthy, and a server that waits for its database is to be left alone.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --start-interval=1s --retries=3 CMD ["/usr/local/bin/fieldgate", "healthcheck", "--live"]
ENTRYPOINT ["/usr/local/bin/fieldgate"]
CMD ["serve"]

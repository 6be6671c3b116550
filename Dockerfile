# One image for every process of the system; docker-compose.yml says which one a container runs, and how
# its health is asked for.
#
# Node 26 runs the TypeScript sources as they are, so nothing is compiled. Node refuses to strip types inside
# node_modules, so `pnpm deploy`, which would put the workspace's own packages there, cannot be used: the
# image holds the workspace with its links.
#
# What changes seldom comes first: a changed source rebuilds the last layer, and needs no network.

FROM node:26.10.0-slim AS pnpm
ENV CI=true
RUN npm install --global --no-audit --no-fund pnpm@12.21.0
WORKDIR /app

# pnpm checks the lockfile against the manifest of every package.
FROM pnpm AS manifests
COPY . .
RUN find . -type f ! -name package.json ! -name "pnpm-*.yaml" -delete && find . -type d -empty -delete

FROM pnpm AS fetched
COPY pnpm-lock.yaml pnpm-workspace.yaml ./
# A filtered install would leave in place what it finds.
RUN pnpm fetch && rm -rf node_modules
COPY --from=manifests /app ./

# The client that Prisma generates from the schema.
FROM fetched AS generated
RUN pnpm install --offline --frozen-lockfile --ignore-scripts --filter gofermart
COPY prisma.config.ts ./
COPY prisma/schema.prisma prisma/
RUN node node_modules/prisma/build/index.js generate

# What the services and the operators' commands need to run, and no more, with a list of it.
FROM fetched AS installed
RUN set -- --prod --filter "./services/*..." --filter "@gofermart/operator..." \
      --filter "@gofermart/scoring-simulator..." \
 && pnpm install --offline --frozen-lockfile --ignore-scripts "$@" \
 && pnpm sbom --sbom-format cyclonedx --sbom-type application --out sbom.cdx.json "$@" \
 && rm -rf tests benchmarks packages/client packages/local-stack

FROM scratch AS sources
COPY packages packages
COPY services services
COPY prisma/migrations prisma/migrations
COPY deploy/stoppable.sh deploy/

FROM node:26.10.0-slim
# Nothing is installed in a container. An empty volume mounted at the last folder takes over its owner.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn* /opt/yarn* \
 && install -d -o 1000 -g 1000 -m 0700 /var/lib/scoring-simulator
ENV NODE_ENV=production
WORKDIR /app
# Root owns every file: the processes cannot change what they run.
COPY --from=installed /app ./
COPY --from=generated /app/packages/shared/src/db/generated packages/shared/src/db/generated
COPY --from=sources / ./
# A number, as Kubernetes' runAsNonRoot asks for.
USER 1000:1000
CMD ["deploy/stoppable.sh", "node", "services/api/src/main.ts"]
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gofermart" \
      org.opencontainers.image.description="A loyalty-points system: orders go in, points come out." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
